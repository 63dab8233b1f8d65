"""A process that has imported noisify and forks for each case: some twenty cases a second.

`fault_harness` starts it. Cases come as JSON, a line each, on standard input; results go
the same way to standard output.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time


def imported() -> None:
    """Import all that a run may import, so that a fork need not."""
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


def child(case: dict) -> None:
    """Run one case in this process, and end it."""
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
    from noisify.cli import main  # noqa: PLC0415

    shim = ctypes.CDLL(None) if case["fault"] else None
    status = 99
    try:
        if shim is not None:
            call, nth, times, error, number = case["fault"]
            assert shim.trust_arm(call.encode(), nth, times, error, number)
        main(case["arguments"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - a status and a traceback no run should have
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    if shim is not None:
        shim.trust_disarm()
        made = {name: shim.trust_count(name.encode()) for name in case["counted"]}
        with open(case["counts"], "w") as file:  # noqa: PTH123
            json.dump(made, file)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    threading._shutdown()  # type: ignore[attr-defined]  # as when a process ends
    os._exit(status)


def main() -> None:
    """Serve cases until standard input ends."""
    imported()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        case = json.loads(line)
        start = time.monotonic()
        pid = os.fork()
        if not pid:
            try:
                child(case)
            finally:
                os._exit(98)
        status, timed_out = None, False
        while status is None:
            ended, code, used = os.wait4(pid, os.WNOHANG)
            if ended:
                status = os.waitstatus_to_exitcode(code)
            elif time.monotonic() - start > case["seconds"]:
                timed_out = True
                os.kill(pid, signal.SIGKILL)
                time.sleep(0.01)
            else:
                time.sleep(0.002)
        seconds = time.monotonic() - start
        result = {
            "status": status,
            "seconds": seconds,
            "timed_out": timed_out,
            "memory": used.ru_maxrss * 1024,
        }
        print(json.dumps(result), file=answers)


if __name__ == "__main__":
    main()
