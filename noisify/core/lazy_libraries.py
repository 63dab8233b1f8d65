"""Lazy imports of modules that few runs need and that take 10 ms or more each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.lazy import LazyModule

if TYPE_CHECKING:
    import ctypes
    import json
    import multiprocessing.connection as connections
    import platform
    import shutil
    import tempfile
    from concurrent import futures
    from importlib import metadata

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    connections = LazyModule("multiprocessing.connection")
    ctypes = LazyModule("ctypes")
    futures = LazyModule("concurrent.futures")
    json = LazyModule("json")
    metadata = LazyModule("importlib.metadata")
    pa = LazyModule("pyarrow")
    pc = LazyModule("pyarrow.compute")
    pd = LazyModule("pandas")
    pl = LazyModule("polars")
    platform = LazyModule("platform")
    shutil = LazyModule("shutil")
    tempfile = LazyModule("tempfile")

__all__ = [
    "connections",
    "ctypes",
    "futures",
    "json",
    "metadata",
    "pa",
    "pc",
    "pd",
    "pl",
    "platform",
    "shutil",
    "tempfile",
]
