"""Map files into memory."""

from __future__ import annotations

import mmap
import os
from typing import BinaryIO


def reserve(file: BinaryIO, size: int) -> None:
    """Give an empty file its size; a full disk is an error now, not a crash in its map later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def map_empty(file: BinaryIO, size: int) -> mmap.mmap:
    """Give an empty file its size, and map it for writing; close it if that fails."""
    try:
        reserve(file, size)
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE)
    except BaseException:  # a full disk, or a signal
        file.close()
        raise


def drop_from_memory(mapped: mmap.mmap) -> None:
    """Let go of a map's pages, so that a large file does not fill memory; its data stay."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
