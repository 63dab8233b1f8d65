"""Run plans: the loop (read, decode, add noise, encode, write), first pass, reports, restoring.

Chunks go from a source through the noiser, in worker threads, to a sink.
"""

from noisify.core.lazy import import_lazily

import_lazily(
    __name__,
    "dask_batch dask_cluster processes record_keys restore rows_from series survey",
)
