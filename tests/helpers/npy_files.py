"""NPY files in memory: what arrays are as bytes, and the noise that they get."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.lib import format as npy_format
from run_command import noisy

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Trap:
    """Fails the test when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("unpickled",))


def npy_bytes(array: NDArray[Any], version: tuple[int, int] | None = None) -> bytes:
    """Return an array as an NPY file; its objects are pickled."""
    file = io.BytesIO()
    npy_format.write_array(file, array, version, allow_pickle=True)
    return file.getvalue()


def noisy_as_npy(array: NDArray[Any], *arguments: object) -> NDArray[Any]:
    """Return an array with the noise that it gets as an NPY file."""
    return np.load(io.BytesIO(noisy(*arguments, given=npy_bytes(array))))
