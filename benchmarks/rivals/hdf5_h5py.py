"""Add noise to a dataset of an HDF5 file with h5py."""

import sys

import h5py
import numpy as np

source, target = sys.argv[1:]
rng = np.random.default_rng(42)
with h5py.File(source) as clean, h5py.File(target, "w") as noisy:
    dataset = clean["entry/data"]
    values = dataset[...]
    values += rng.normal(0, 0.1, values.shape)
    copy = noisy.create_dataset(
        "entry/data",
        data=values,
        chunks=dataset.chunks,
        compression=dataset.compression,
        compression_opts=dataset.compression_opts,
        shuffle=dataset.shuffle,
    )
    copy.attrs.update(dataset.attrs)
