"""Entry point of the commands: signals, standard streams and exit statuses."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from noisify.cli.process import pause_gc
from noisify.core.errors import (
    OUT_OF_MEMORY,
    NoisifyError,
    caused_by_memory,
    cut_short,
    printable,
)
from noisify.core.lazy import LazyModule
from noisify.core.signals import Stopped, raise_or_delay, stopped_by

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    import click
else:
    click = LazyModule("click")  # after the signals are caught

COMMANDS = {
    "noisify": ("noisify.cli.command", "noisify"),
    "noisify-compare": ("noisify.cli.compare", "compare"),
}
"""The programs: module and name of each command."""
CLOSED_PIPE = 141
FAILED = 1
USAGE = 2
TRACEBACK = "NOISIFY_TRACEBACK"
_SHOWN = 300
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


def main(arguments: Sequence[str] | None = None, program: str = "noisify") -> NoReturn:
    """Run a command and exit: 0 done, 1 failed, 2 usage, 3 bad data, 128 + n for a signal.

    Args:
        arguments: The command line, or None for `sys.argv[1:]`.
        program: Which of the `COMMANDS`.
    """
    try:
        status = _run_and_tell(arguments, program)
        _let_signals_end_the_process()
    except Stopped as stop:  # while a failure was reported, or at the very end
        status = 128 + stop.number
    sys.exit(128 + stopped_by[0] if stopped_by else status)


def _run_and_tell(arguments: Sequence[str] | None, program: str) -> int:
    """Run the command and report a failure; return the exit status."""
    try:
        _catch_signals()  # first of all: what follows imports
        _open_missing_streams()
        _escape_unprintable()
        pause_gc(own_process=arguments is None)
        sys.unraisablehook = _hide_harmless
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # they would only idle here
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # least system time, measured
        status = _run(sys.argv[1:] if arguments is None else arguments, program)
    except (Stopped, KeyboardInterrupt) as stop:
        status = 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)
    except BrokenPipeError:
        _abandon_standard_output()
        status = CLOSED_PIPE
    except NoisifyError as error:
        lacking = caused_by_memory(error)
        status = _fail(OUT_OF_MEMORY, FAILED) if lacking else _fail(str(error), error.exit_status)
    except OSError as error:
        if error.errno == errno.EPIPE:
            status = CLOSED_PIPE
        else:
            where = f"{error.filename}: " if error.filename else ""
            status = _fail(f"{where}{error.strerror or error}", FAILED)
        _abandon_standard_output()
    except MemoryError:
        status = _fail(OUT_OF_MEMORY, FAILED)
    except Exception as error:  # noqa: BLE001 - the last net: a line, and no traceback, for users
        status = _fail_unexpectedly(error)
    return status


def _run(arguments: Sequence[str], program: str) -> int:
    """Run a command; return the exit status.

    Raises:
        Exception: Any failure, except click's usage errors.
    """
    module, name = COMMANDS[program]
    command: click.Command = getattr(import_module(module), name)
    if f"_{program.replace('-', '_')}_COMPLETE".upper() in os.environ:
        with contextlib.suppress(Exception):  # a prompt is no place for errors
            import_module("noisify.cli.completion").answer(command, program)
        return 0
    try:
        with command.make_context(program, list(arguments)) as context:  # main() hides a pipe
            command.invoke(context)
    except click.exceptions.Abort:
        return 128 + signal.SIGINT
    except click.exceptions.Exit as done:
        _flush()
        return done.exit_code
    except click.ClickException as error:
        return _fail(_usage_message(error), USAGE)
    _flush()
    return 0


def _fail_unexpectedly(error: Exception) -> int:
    """Report an unexpected exception in one line; `NOISIFY_TRACEBACK=1` shows the traceback."""
    if os.environ.get(TRACEBACK):
        sys.excepthook(type(error), error, error.__traceback__)
    if isinstance(error, RecursionError):
        return _fail("is nested too deeply to be read", FAILED)
    if isinstance(error, RuntimeError) and "new thread" in str(error):
        return _fail("a thread cannot be started; fewer --jobs need fewer", FAILED)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    shown = what if len(what) <= _SHOWN else f"{what[:_SHOWN]}…"
    return _fail(f"failed unexpectedly: {shown} ({TRACEBACK}=1 shows where)", FAILED)


def _hide_harmless(unraisable: sys.UnraisableHookArgs) -> None:
    """Ignore a `Stopped` raised in a destructor; `check_stopped` raises it again.

    Also ignore an input that cannot be closed; outputs are closed where failures are reported.
    """
    if not isinstance(unraisable.exc_value, (Stopped, OSError)):
        sys.__unraisablehook__(unraisable)


def _catch_signals() -> None:
    """Turn SIGINT, SIGTERM and SIGHUP into exceptions, except those that are ignored."""
    stopped_by.clear()
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)


def _let_signals_end_the_process() -> None:
    """Restore the default action on signals, as all outputs are committed or discarded."""
    for number in _SIGNALS:
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, _: FrameType | None) -> None:
    for each in _SIGNALS:  # let the cleaning up finish
        signal.signal(each, signal.SIG_IGN)
    stopped_by.append(number)
    raise_or_delay(Stopped(number))


def _open_missing_streams() -> None:
    """Occupy descriptors 0 to 2, so that no file opened later becomes standard output.

    If standard error is closed, messages are discarded.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - to the end


def _escape_unprintable() -> None:
    """Print characters that a stream cannot encode as escapes; names may hold any."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # it fails where it is written to
                stream.reconfigure(errors="backslashreplace")


def _fail(message: str, status: int) -> int:
    if stopped_by:  # it failed since a signal stopped it
        return status
    with contextlib.suppress(OSError, ValueError, AttributeError):
        text = "\n".join(map(printable, message.split("\n")))
        sys.stderr.write(f"noisify: {text}\n")  # click would write UTF-8 to an ASCII terminal
        sys.stderr.flush()
    return status


def _usage_message(error: click.ClickException) -> str:
    """Return a usage error in one line."""
    text = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    program = "noisify" if context is None else context.info_name
    return f"{cut_short(text[:1].lower() + text[1:])}; see {program} --help"


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _abandon_standard_output() -> None:
    """Keep the interpreter from failing to flush standard output again at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
