"""Add noise to a float NPY file with NumPy."""

import sys

import numpy as np

source, target = sys.argv[1:]
rng = np.random.default_rng(42)
data = np.load(source)
data += rng.normal(0, 0.1, data.shape)
np.save(target, data)
