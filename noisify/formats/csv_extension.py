"""Whether the compiled part of CSV is there and in use."""

from __future__ import annotations

from noisify.extensions import Part, load, pure

part = load(Part.CSV)
"""The compiled part; None: there is none."""


def built() -> bool:
    """Return whether the compiled part is there, in a build of these sources."""
    return part is not None


def compiled() -> bool:
    """Return whether the compiled part is in use."""
    return part is not None and not pure()
