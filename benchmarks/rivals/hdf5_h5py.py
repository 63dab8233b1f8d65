"""Add noise to a dataset of an HDF5 file with h5py, one row of chunks at a time."""

import sys

import h5py
import numpy as np

ROWS = 2048

source, target = sys.argv[1:]
rng = np.random.default_rng(42)
with h5py.File(source) as clean, h5py.File(target, "w") as noisy:
    dataset = clean["entry/data"]
    copy = noisy.create_dataset_like("entry/data", dataset)
    copy.attrs.update(dataset.attrs)
    rows = dataset.chunks[0] if dataset.chunks else ROWS
    for start in range(0, len(dataset), rows):
        values = dataset[start : start + rows]
        values += rng.normal(0, 0.1, values.shape)
        copy[start : start + rows] = values
