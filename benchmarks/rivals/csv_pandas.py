"""Add noise to columns of a CSV file with pandas; it reads gzip, and writes it at level 1."""

import sys

import numpy as np
import pandas as pd

source, target, *columns = sys.argv[1:]
rng = np.random.default_rng(42)
frame = pd.read_csv(source)
frame[columns] += rng.normal(0, 0.1, (len(frame), len(columns)))
# Of pandas' own level, 9, nobody would wait for the end.
packing = {"method": "gzip", "compresslevel": 1} if target.endswith(".gz") else None
frame.to_csv(target, index=False, compression=packing)
