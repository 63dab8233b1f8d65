"""Valid seeds and generators. Imports no NumPy, so that the command's help is quick."""

from __future__ import annotations

import os

RNGS = ("noisify", "numpy", "numpy-legacy")
SEED_LIMIT = 2**128
LEGACY_SEED_LIMIT = 2**32
_NEW_SEED_BITS = 53
"""Bits of a whole number that JSON, JavaScript and spreadsheets keep."""


def new_seed() -> int:
    """Return a new seed from the system's randomness."""
    return int.from_bytes(os.urandom(8), "little") >> (64 - _NEW_SEED_BITS)
