"""How the end-to-end tests run the command: in this process where they can, else in one of its own.

Tests import this module by name: pyproject.toml puts the folder on pytest's path.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

from noisify.cli import main
from noisify.core import native
from noisify.core.chunk import Positions
from noisify.streams.streams import StreamName, StreamVariates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

COMMAND = (sys.executable, "-m", "noisify")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Done:
    """What a run of the command came to."""

    status: int
    output: bytes
    messages: str

    @property
    def lines(self) -> list[str]:
        return self.messages.splitlines()


def run(
    *arguments: object,
    given: bytes | io.RawIOBase = b"",
    variables: Mapping[str, str] | None = None,
    program: str = "noisify",
) -> Done:
    """Run a command in this process, `given` on its standard input."""
    standard_input = io.BytesIO(given) if isinstance(given, bytes) else given
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    messages = io.StringIO()
    status: object = None
    with (
        mock.patch.dict(os.environ, clean_environment(variables), clear=True),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(standard_input)),  # type: ignore[type-var]
        redirect_stdout(output),
        redirect_stderr(messages),
        _signals_kept(),
    ):
        try:
            main([str(argument) for argument in arguments], program)
        except SystemExit as stop:
            status = stop.code
    output.flush()
    assert isinstance(status, int)
    return Done(status, output.buffer.getvalue(), messages.getvalue())  # type: ignore[attr-defined]


def run_process(
    *arguments: object, given: bytes = b"", variables: Mapping[str, str] | None = None
) -> Done:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=given,
        capture_output=True,
        check=False,
        env=clean_environment(variables),
        timeout=60,
    )
    return Done(done.returncode, done.stdout, done.stderr.decode())


def noisy(*arguments: object, given: bytes | io.RawIOBase = b"") -> bytes:
    """Return what the command writes to standard output, with seed 1 unless told, in peace."""
    seed = () if "--seed" in arguments else ("--seed", 1)
    done = run(*arguments, *seed, given=given)
    assert (done.status, done.messages) == (0, "")
    return done.output


def noisy_file(source: Path, *arguments: object) -> Path:
    """Add noise to a file, with seed 1 unless told, and return the output's path."""
    target = source.with_name(f"noisy-{source.name}")
    seed = () if "--seed" in arguments else ("--seed", 1)
    done = run(source, "-o", target, *arguments, *seed)
    assert (done.status, done.output) == (0, b""), done.messages
    return target


def names(folder: Path) -> list[str]:
    """Return the names of what is in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def normal_noise(field: str, count: int, *, seed: int = 1) -> NDArray[np.float64]:
    """Return the engine's standard normal noise of a field's first elements."""
    stream = StreamName(seed=seed, field=field, model="normal")
    return StreamVariates(stream, Positions.range(0, count)).normal("noise")


def clean_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this environment without what changes noisify's defaults, and with what is given."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("NOISIFY_") or name == native.PURE
    }
    return {**kept, **(variables or {})}


@contextmanager
def _signals_kept() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
