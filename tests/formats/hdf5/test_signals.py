"""Signals that arrive while the HDF5 library calls our functions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from noisify.core.signals import delayed_signals, raise_or_delay

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")

SIGNALLED = """
import os, signal, sys
from noisify.cli.entry import main
from noisify.formats.hdf5.tree import LibraryFile

name, nth, *arguments = sys.argv[1:]
original, calls = getattr(LibraryFile, name), 0

def signalled(*arguments):
    global calls
    calls += 1
    if calls == int(nth):
        os.kill(os.getpid(), signal.SIGTERM)
    return original(*arguments)

setattr(LibraryFile, name, signalled)
main(arguments)
"""


@pytest.mark.parametrize(
    "nth", [pytest.param(1, marks=pytest.mark.slow), 5, pytest.param(6, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", ["readinto", "write", "seek"])
def test_a_signal_in_a_call_of_the_library_waits_for_its_end(
    tmp_path: Path, name: str, nth: int
) -> None:
    source, target = tmp_path / "data.h5", tmp_path / "out.h5"
    with h5py.File(source, "w") as file:
        file.create_dataset("x", data=np.arange(20_000.0), chunks=(50,), compression="gzip")
    target.write_bytes(b"old")
    command = [sys.executable, "-c", SIGNALLED, name, str(nth), str(source), "-o", str(target)]

    done = subprocess.run([*command, "-s", "1"], capture_output=True, check=False, timeout=60)

    assert (143, b"", b"") == (done.returncode, done.stdout, done.stderr)
    assert target.read_bytes() == b"old"
    assert {source, target} == set(tmp_path.iterdir())


def test_the_exception_of_a_signal_is_raised_after_the_outermost_delay() -> None:
    done: list[str] = []

    def handle(*_: object) -> None:
        raise_or_delay(KeyboardInterrupt())

    old = signal.signal(signal.SIGTERM, handle)
    try:
        with pytest.raises(KeyboardInterrupt):
            be_signalled(done)
    finally:
        signal.signal(signal.SIGTERM, old)

    assert done == ["inner", "outer"]
    with delayed_signals():
        pass  # nothing is left waiting


def be_signalled(done: list[str]) -> None:
    with delayed_signals():
        with delayed_signals():
            signal.raise_signal(signal.SIGTERM)
            done.append("inner")
        done.append("outer")
