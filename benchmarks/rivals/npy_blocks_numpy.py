"""Add noise to a float NPY file with NumPy, in blocks of rows that fit the processor's cache."""

import sys

import numpy as np

ROWS = 64

source, target = sys.argv[1:]
rng = np.random.default_rng(42)
data = np.load(source)
for start in range(0, len(data), ROWS):
    block = data[start : start + ROWS]
    block += rng.normal(0, 0.1, block.shape)
np.save(target, data)
