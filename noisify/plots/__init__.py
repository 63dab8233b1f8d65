"""Pictures of what noise did, drawn with matplotlib (`pip install noisify-cli[plots]`).

`samples` reads what a picture shows, `page` lays panels out, the other files draw one kind each.
"""

from noisify.core.lazy import import_lazily

import_lazily(__name__, "page style sweep")
