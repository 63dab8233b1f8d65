"""Add noise to uint8 images in an NPY file with NumPy."""

import sys

import numpy as np

source, target = sys.argv[1:]
rng = np.random.default_rng(42)
images = np.load(source)
noisy = rng.normal(0, 10, images.shape)
noisy += images
np.clip(noisy, 0, 255, out=noisy)
np.rint(noisy, out=noisy)
np.save(target, noisy.astype(np.uint8))
