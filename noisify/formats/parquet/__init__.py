"""Parquet, row group by row group: noisy column chunks are re-encoded, all others copied.

`source` cuts row groups into slices, `column_chunk` encodes, `sink` writes and updates the footer.
"""

from noisify.core.lazy import import_lazily

import_lazily(__name__, "join")
