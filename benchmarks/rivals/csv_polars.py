"""Add noise to six columns of a CSV file with polars."""

import sys

import numpy as np
import polars as pl

COLUMNS = ["temperature", "humidity", "pressure", "wind", "flux", "ratio"]

source, target = sys.argv[1:]
rng = np.random.default_rng(42)
frame = pl.read_csv(source)
noisy = frame.with_columns(
    pl.col(name) + pl.Series(rng.normal(0, 0.1, frame.height)) for name in COLUMNS
)
noisy.write_csv(target)
