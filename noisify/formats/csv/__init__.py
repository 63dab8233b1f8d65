"""CSV and TSV by splicing: noisy cells are replaced in place, all other bytes are kept.

`scan` finds the cells, `source` parses them, `sink` writes the noisy ones back.
"""

from noisify.core.lazy import import_lazily

import_lazily(__name__, "number_format part")
