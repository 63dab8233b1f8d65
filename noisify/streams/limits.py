"""What a seed and a generator may be; free of NumPy, so that the command's help is quick."""

from __future__ import annotations

RNGS = ("noisify", "numpy", "numpy-legacy")
SEED_LIMIT = 2**128
LEGACY_SEED_LIMIT = 2**32
