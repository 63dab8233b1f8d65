"""Add noise to columns of a Parquet file with polars."""

import sys

import numpy as np
import polars as pl

source, target, codec, *columns = sys.argv[1:]
rng = np.random.default_rng(42)
frame = pl.read_parquet(source)
noisy = frame.with_columns(
    pl.col(name) + pl.Series(rng.normal(0, 0.1, frame.height)) for name in columns
)
# Argv is text; which codecs there are is the writer's to say.
noisy.write_parquet(target, compression=codec)  # type: ignore[arg-type]
