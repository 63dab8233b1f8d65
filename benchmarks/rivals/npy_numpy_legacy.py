"""Add noise to a float NPY file with NumPy's older functions, as most tutorials do."""

import sys

import numpy as np

source, target = sys.argv[1:]
np.random.seed(42)  # noqa: NPY002 - the point
data = np.load(source)
np.save(target, data + np.random.normal(0, 0.1, data.shape))  # noqa: NPY002
