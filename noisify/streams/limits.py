"""What a seed and a generator may be; free of NumPy, so that the command's help is quick."""

from __future__ import annotations

import os

RNGS = ("noisify", "numpy", "numpy-legacy")
SEED_LIMIT = 2**128
LEGACY_SEED_LIMIT = 2**32
_NEW_SEED_BITS = 53
"""JSON, JavaScript and spreadsheets keep whole numbers of so many bits."""


def new_seed() -> int:
    """Return a seed that nobody has used, from the system's randomness."""
    return int.from_bytes(os.urandom(8), "little") >> (64 - _NEW_SEED_BITS)
