"""A process that has imported noisify and forks for each case: some twenty cases a second.

`fault_harness` starts it. Cases come as JSON, a line each, on standard input; results go
the same way to standard output.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import re
import resource
import signal
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import types

PLACES = {"call", "c_return"}
WRITING = re.compile(
    r"noisify/(files|engine)/|noisify/cli/(batch|index)|/sink\.py|contextlib|shutil"
)
PR_SET_CHILD_SUBREAPER = 36
STOPPING = {signal.SIGINT, signal.SIGTERM}


def imported() -> None:
    """Import all that a run may import, so that a fork need not."""
    os.environ |= {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}  # as main()
    import h5py  # noqa: F401, PLC0415
    import pandas as pd  # noqa: F401, PLC0415
    import pyarrow.compute  # noqa: PLC0415
    import pyarrow.parquet  # noqa: F401, PLC0415

    from noisify import formats  # noqa: PLC0415
    from noisify.cli import command, execute  # noqa: F401, PLC0415
    from noisify.engine import convert, restore  # noqa: F401, PLC0415
    from noisify.noise import registry  # noqa: PLC0415

    for entry in formats.FORMATS:
        entry.load()
    for model in registry.MODELS:
        model.load()


class Interrupts:
    """A profile function that sends this process a signal at the nth place where one can come.

    Python looks for signals where a function begins and where one of C returns. Places count while
    outputs are written.

    Args:
        nth: At which place, counted from 1.
        number: The signal.
    """

    def __init__(self, nth: int, number: int) -> None:
        self.count = 0
        self._nth = nth
        self._number = number

    def __call__(self, frame: types.FrameType, event: str, _: object) -> None:
        if event in PLACES and WRITING.search(frame.f_code.co_filename):
            self.count += 1
            if self.count == self._nth:
                sys.setprofile(None)
                signal.raise_signal(self._number)


def child(case: dict) -> None:
    """Run one case in this process, and end it."""
    prepare(case)
    if case["own_process"]:
        command = (sys.executable, "-m", "noisify", *case["arguments"])
        os.execv(sys.executable, command)  # noqa: S606 - this very Python
    call, nth, times, error, number = case["fault"] or (None, 0, 0, 0, 0)
    shim = ctypes.CDLL(None) if call not in {None, "python"} else None
    interrupts = Interrupts(nth, number)
    if shim is not None:
        assert shim.trust_arm(call.encode(), nth, times, error, number)
    elif call is not None:
        sys.setprofile(interrupts)
    status = command_status(case["arguments"])
    sys.setprofile(None)
    if call is not None:
        made = {"python": interrupts.count}
        if shim is not None:
            shim.trust_disarm()
            made = {name: shim.trust_count(name.encode()) for name in case["counted"]}
        with open(case["counts"], "w") as file:  # noqa: PTH123
            json.dump(made, file)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    threading._shutdown()  # type: ignore[attr-defined]  # as when a process ends
    atexit._run_exitfuncs()
    os._exit(status)


def prepare(case: dict) -> None:
    """Make this process one in which the command starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    os.chdir(case["folder"])
    for descriptor, name in enumerate(("given", "output", "messages")):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        if case[name] is not None:
            opened = os.open(case[name], flags, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
    os.environ["TMPDIR"], tempfile.tempdir = case["temporary"], None
    for name, bound in case["limits"].items():
        resource.setrlimit(getattr(resource, name), (bound, bound))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.stdin, sys.stdout, sys.stderr = (
        open(d, mode, closefd=False, errors="backslashreplace")  # noqa: SIM115
        for d, mode in enumerate(("r", "w", "w"))
    )


def command_status(arguments: list[str]) -> int:
    """Run the command in this process; return its exit status."""
    from noisify.cli import main  # noqa: PLC0415

    try:
        main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - a status and a traceback no run should have
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    return 99


def main() -> None:
    """Serve cases until standard input ends."""
    imported()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        case = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        start = time.monotonic()
        pid = os.fork()
        with contextlib.suppress(OSError):  # the other of the two was faster
            os.setpgid(pid, pid)
        if not pid:
            try:
                child(case)
            finally:
                os._exit(98)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        print(json.dumps(watched(pid, case, start)), file=answers)


def watched(pid: int, case: dict, start: float) -> dict:
    """Wait for the end of a process, send it the signal that it is to get; return its result."""
    number, moment, to_all = case["kill"] or (0, float("inf"), False)
    timed_out = False
    while True:
        ended, code, used = os.wait4(pid, os.WNOHANG)
        seconds = time.monotonic() - start
        if ended:
            break
        if seconds >= moment:
            (os.killpg if to_all else os.kill)(pid, number)
            moment = float("inf")
        elif seconds > case["seconds"]:
            timed_out = True
            os.killpg(pid, signal.SIGKILL)
        time.sleep(min(0.002, max(0.0, moment - seconds)))
    with contextlib.suppress(ChildProcessError):  # the run's other processes, which are ours now
        while time.monotonic() < start + case["seconds"]:
            if not os.waitpid(-pid, os.WNOHANG)[0]:
                time.sleep(0.002)
    return {
        "status": os.waitstatus_to_exitcode(code),
        "seconds": seconds,
        "timed_out": timed_out,
        "memory": used.ru_maxrss * 1024,
    }


if __name__ == "__main__":
    main()
