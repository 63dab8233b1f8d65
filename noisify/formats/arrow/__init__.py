"""Arrow IPC and Feather, and Arrow columns as fields, which Parquet uses too.

`ipc` reads and writes record batches; `columns` and `nested` turn columns into values and back.
"""

from noisify.core.lazy import import_lazily

import_lazily(__name__, "columns")
