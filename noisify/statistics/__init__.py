"""Statistics of whole fields, independent to the bit of how the data are cut into chunks.

Chunks go in; mean, standard deviation, range and quantiles come out, for levels and reports.
"""

from noisify.core.lazy import import_lazily

import_lazily(__name__, "tree")
