"""Exchange two file names atomically, where the system supports it."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from noisify.core.lazy_libraries import ctypes

if TYPE_CHECKING:
    from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_RENAME_SWAP = 2
_CANNOT = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


def exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two files or folders atomically; return False if that is unsupported.

    Raises:
        OSError: If the exchange is supported but fails.
    """
    first, second = os.fsencode(one), os.fsencode(other)
    library = ctypes.CDLL(None, use_errno=True) if sys.platform in {"linux", "darwin"} else None
    if (rename := getattr(library, "renameat2", None)) is not None:
        failed = rename(_AT_FDCWD, first, _AT_FDCWD, second, ctypes.c_uint(_RENAME_EXCHANGE))
    elif (rename := getattr(library, "renamex_np", None)) is not None:
        failed = rename(first, second, ctypes.c_uint(_RENAME_SWAP))
    else:
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(one))
