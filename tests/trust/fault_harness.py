"""Run the command under faults, and the one promise that every such run keeps: `broken`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fault_scenarios import Scenario

HERE = Path(__file__).parent
EVERYTHING = os.environ.get("NOISIFY_TRUST") == "all"
"""Whether `make trust` asks for all cases, or the usual tests for a share of them."""
CALLS = (
    "read", "pread", "write", "pwrite", "fsync", "rename", "close", "ftruncate", "lseek", "mmap",
    "open", "unlink",
)  # fmt: skip
STATUSES = {0, 1, 2, 3, 130, 141, 143}
SECONDS = 20.0
_TEMPORARY = re.compile(r"\.[^/]+\.[0-9a-f]{12}\.(tmp|old)(/.*)?", re.DOTALL)
"""What SIGKILL may leave, as nobody can clean up after it: what a run would have renamed."""


@dataclass
class Result:
    """What came of one case."""

    status: int
    seconds: float
    timed_out: bool
    memory: int
    output: bytes
    messages: str
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """A call of the C library that fails, or before which a signal comes.

    Attributes:
        call: Which; `python`: not one, but a place where Python looks for signals.
        nth: The how manieth of them, counted from 1.
        times: How many fail from there on; 0: all.
        error: The error number.
        signal: The signal; 0: none, the call fails.
    """

    call: str
    nth: int
    times: int = 1
    error: int = 0
    signal: int = 0


@dataclass(frozen=True)
class Kill:
    """A signal that comes from outside.

    Attributes:
        signal: Which.
        seconds: When, after the start.
        to_all: Whether to all processes of the run, as from a terminal, or to the first.
    """

    signal: int
    seconds: float
    to_all: bool = False


class Server:
    """A process that forks for each case.

    Args:
        beside: A folder for what it prints and for temporary files.
        shim: The library whose calls can be told to fail; None: without.
        seconds: How long a case may take.
    """

    def __init__(self, beside: Path, shim: Path | None = None, seconds: float = SECONDS) -> None:
        self._can_fail = shim is not None
        self._seconds = seconds
        environment = {name: value for name, value in os.environ.items() if "COV" not in name}
        if shim is not None:
            environment["LD_PRELOAD"] = str(shim)
        self.folder, self.temporary = beside / "folder", beside / "temporary"
        self._paths = {name: beside / name for name in ("output", "messages", "counts")}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "fault_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(
        self,
        scenario: Scenario,
        fault: Fault | None = None,
        limits: dict[str, int] | None = None,
        *,
        kill: Kill | None = None,
        own_process: bool = False,
    ) -> Result:
        """Run a scenario, from the start; in a new process of Python if `own_process`."""
        restore(self.folder, scenario.files)
        restore(self.temporary, {})
        return self.run_again(scenario, fault, limits, kill=kill, own_process=own_process)

    def run_again(
        self,
        scenario: Scenario,
        fault: Fault | None = None,
        limits: dict[str, int] | None = None,
        *,
        kill: Kill | None = None,
        own_process: bool = False,
    ) -> Result:
        """Run a scenario with the files that are there."""
        for name, path in self._paths.items():
            path.unlink(missing_ok=True)
            path.write_text("") if name != "counts" else None
        case: dict[str, Any] = {
            "folder": str(self.folder),
            "temporary": str(self.temporary),
            "arguments": scenario.arguments,
            "given": os.devnull,
            "counted": CALLS,
            "fault": None
            if fault is None
            else (fault.call, fault.nth, fault.times, fault.error, fault.signal),
            "limits": limits or {},
            "kill": None if kill is None else (kill.signal, kill.seconds, kill.to_all),
            "own_process": own_process,
            "seconds": self._seconds,
        } | {name: str(path) for name, path in self._paths.items()}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        counts = self._paths["counts"]
        return Result(
            **answer,
            output=self._paths["output"].read_bytes(),
            messages=self._paths["messages"].read_text(errors="replace"),
            counts=json.loads(counts.read_text()) if counts.exists() else {},
        )

    @property
    def address_space(self) -> int:
        """The bytes of address space that the process takes before a case."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return 1024 * int(status.partition("VmSize:")[2].split()[0])

    def whole(self, scenario: Scenario) -> tuple[dict[str, bytes], dict[str, int]]:
        """Return the files after a run without a fault, and how many calls of each kind it made."""
        never = Fault("read", 10**9) if self._can_fail else None
        result = self.run(scenario, never)
        assert (0, "") == (result.status, "" if result.status == 0 else result.messages)
        return contents(self.folder), result.counts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder, by their names in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def restore(folder: Path, files: dict[str, bytes]) -> None:
    """Make a folder hold just these files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def broken(
    server: Server, result: Result, scenario: Scenario, after: dict[str, bytes] | None, fault: Fault
) -> list[str]:
    """Return in what a run breaks the promise; nothing is the promise kept.

    Args:
        server: Where it ran.
        result: What came of it.
        scenario: What was run.
        after: The files that a run without a fault leaves; None: that is not known.
        fault: What failed; temporary files that cannot be removed may stay.
    """
    killed = result.status == -signal.SIGKILL == -fault.signal
    may_leave = (
        killed or fault.call == "unlink" or (fault.call in {"open", "close"} and not fault.times)
    )
    before, found = scenario.files, contents(server.folder)
    if killed:
        found = {name: data for name, data in found.items() if not _TEMPORARY.search(name)}
    wrong = [*_wrong_end(result, fault, whole=found in (before, after))]
    lines = [line for line in result.messages.splitlines() if not _is_note(line)]
    if fault.call == "close":  # of inputs, which Arrow's C++ tells of by itself
        lines = [line for line in lines if "Error ignored when destroying file" not in line]
    batch = len(before) > 1 and "--output-dir" in scenario.arguments
    told = result.status in {1, 2, 3} and not _python_was_starting(result, fault)
    if told and len(lines) != 1 and not (batch and lines):
        wrong.append(f"{len(lines)} lines instead of one")
    if after is not None:
        if result.status == 0 and found != after:
            wrong.append("status 0 and not what a run without a fault writes")
        wrong += _parts(found, before, after, may_leave=may_leave and not killed)
        if scenario.at_once and found not in (before, after):
            wrong.append("some of the new files are there, and not all")
    elif result.status != 0 and found != before:
        wrong.append("something was written")
    left = sorted(path.name for path in server.temporary.iterdir())
    if left and not may_leave:
        wrong.append(f"left behind in the folder for temporary files: {left}")
    return [*wrong, result.messages] if wrong else []


def _wrong_end(result: Result, fault: Fault, *, whole: bool) -> Iterable[str]:
    """Yield in what a run ends as no run does.

    A signal may end it while Python itself starts, and after all is done.
    """
    if result.timed_out:
        yield f"took more than {result.seconds:.0f} s"
    by_signal = result.status == -fault.signal != 0 or _python_was_starting(result, fault)
    if by_signal and (whole or fault.signal == signal.SIGKILL):
        return
    if result.status not in STATUSES:
        yield f"status {result.status}"
    if "Traceback" in result.messages or "Exception ignored" in result.messages:
        yield "a traceback"


def _python_was_starting(result: Result, fault: Fault) -> bool:
    """Return whether SIGINT came before a line of the command was run; Python tells of that."""
    said = result.messages
    interrupted = fault.signal == signal.SIGINT and said.rstrip().endswith("KeyboardInterrupt")
    return interrupted and not re.search(r"/noisify/(?!__init__\.py|core/errors\.py)", said)


def _is_note(line: str) -> bool:
    return line.startswith(("noisify: note:", "noisify: seed ")) or "more note" in line


def _parts(
    found: dict[str, bytes], before: dict[str, bytes], after: dict[str, bytes], *, may_leave: bool
) -> Iterable[str]:
    """Yield which files are neither the old nor the new ones."""
    extra = sorted(set(found) - set(before) - set(after))
    if extra and not may_leave:
        yield f"left behind: {extra}"
    for name in sorted(set(before) | set(after)):
        whole = [files[name] for files in (before, after) if name in files]
        if name in found and found[name] not in whole:
            yield f"{name} is neither the old nor the new one"
        if name not in found and name in before and name in after:
            yield f"{name} is gone"
