"""Add noise to columns of a gzipped CSV file with polars and the gzip program.

Polars can compress by itself; that took as long, and the file came out almost half as large again.
"""

import sys
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np
import polars as pl

source, target, *columns = sys.argv[1:]
rng = np.random.default_rng(42)
frame = pl.read_csv(source)
noisy = frame.with_columns(
    pl.col(name) + pl.Series(rng.normal(0, 0.1, frame.height)) for name in columns
)
with Path(target).open("wb") as file, Popen(["gzip", "-1"], stdin=PIPE, stdout=file) as gzip:  # noqa: S607 - whichever there is
    noisy.write_csv(gzip.stdin)
    if gzip.stdin is not None:
        gzip.stdin.close()
