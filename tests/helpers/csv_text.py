"""CSV in two readers, the compiled and the pure: what the tests of both share."""

import pytest

from noisify.formats.csv import native

NOT_BUILT = pytest.mark.skipif(
    not native.built(),
    reason="THE COMPILED PART IS NOT BUILT: CSV IS TESTED WITHOUT IT ONLY (pip install -e . with a "
    "C++17 compiler whose <charconv> knows floats)",
)


def quoted(text: str) -> str:
    """Return a text as a quoted cell."""
    return '"' + text.replace('"', '""') + '"'
