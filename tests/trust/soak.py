"""Soak the command: kill it at random moments for an hour, and send 20 GB through a pipe.

`make soak` runs it; it is no test of the usual ones. What breaks the promise is printed as it is
found, a table of what was done at the end, and the exit status says whether it was kept.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fault_harness import Fault, Kill, Result, Server, broken, contents
from fault_scenarios import Scenario, scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

SCALES = (1, 500)
"""How long the files of the scenarios are: a chunk, and about a megabyte."""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PROCESSES = 0.2
"""The share of kills of new processes of Python; the others are of forks, which start at once."""
TO_ALL = 0.5
"""The share of signals that all processes of a run get, as from a terminal."""
SECONDS = 300.0
"""How long a run may take: others may use the machine for hours."""
LATE = 1.05
"""Up to when a kill comes, as a share of the time of a whole run."""
LINE = b"2024-01-%02d,%d.%02d,s%d,%d.5\n"
_GIGA = 10**9
_MEGA = 10**6


class Kills:
    """Runs that are killed, and what came of them.

    Args:
        folder: Where to run.
        seed: Of the scenarios, signals and moments.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._server = Server(folder, seconds=SECONDS)
        self._scenarios = {
            (name, scale): scenario
            for scale in SCALES
            for name, scenario in scenarios(scale).items()
        } | {(name, 1): scenario for name, scenario in more_scenarios().items()}
        self._whole: dict[tuple[tuple[str, int], bool], tuple[dict[str, bytes], float]] = {}
        self.counts: collections.Counter[str] = collections.Counter()
        self.found: list[str] = []

    def go_on_until(self, end: float) -> None:
        """Kill one run after another, until a time."""
        told = time.monotonic()
        while time.monotonic() < end:
            self._once()
            if time.monotonic() > told + 60:
                told = time.monotonic()
                print(self.told(), flush=True)

    def told(self) -> str:
        """Return the counts so far."""
        return "kills: " + ", ".join(f"{n:,} {what}" for what, n in sorted(self.counts.items()))

    def _once(self) -> None:
        """Kill one run, and run the command again on what is left."""
        name = self._random.choice(list(self._scenarios))
        own = self._random.random() < PROCESSES
        scenario = self._scenarios[name]
        after, seconds = self._without_kill(name, own_process=own)
        kill = Kill(
            self._random.choice(SIGNALS),
            self._random.uniform(0, LATE * seconds),
            to_all=self._random.random() < TO_ALL,
        )
        result = self._server.run(scenario, kill=kill, own_process=own)
        self._count(kill, result)
        left = contents(self._server.folder)
        if left.keys() - scenario.files - after.keys():
            self.counts["left a temporary file"] += 1
        wrong = broken(self._server, result, scenario, after, Fault("", 0, signal=kill.signal))
        is_once_only = scenario.at_once or "--in-place" in scenario.arguments
        if not wrong and (left == scenario.files or not is_once_only):
            wrong = self._next_run(scenario, left, after)
        if wrong:
            self.found.append(f"{name}, own process {own}, {kill}, {result.status}: {wrong}")
            print(self.found[-1], flush=True)

    def _count(self, kill: Kill, result: Result) -> None:
        said = signal.Signals(kill.signal).name
        self.counts["runs"] += 1
        self.counts[f"ended by {said}" if result.status else f"done before {said}"] += 1

    def _without_kill(
        self, name: tuple[str, int], *, own_process: bool
    ) -> tuple[dict[str, bytes], float]:
        """Return what a run leaves that is not killed, and how long it takes."""
        if (name, own_process) not in self._whole:
            result = self._server.run(self._scenarios[name], own_process=own_process)
            assert (0, "") == (result.status, result.messages), (name, result)
            self._whole[name, own_process] = contents(self._server.folder), result.seconds
        return self._whole[name, own_process]

    def _next_run(
        self, scenario: Scenario, left: dict[str, bytes], after: dict[str, bytes]
    ) -> list[str]:
        """Return what is wrong after the same command again, which nothing stops."""
        result = self._server.run_again(scenario)
        self.counts["next runs"] += 1
        found = contents(self._server.folder)
        if result.status or {name: found.get(name) for name in after} != after:
            return [f"the next run ends with status {result.status}", result.messages]
        extra = sorted(found.keys() - after.keys() - left.keys())
        return [f"the next run leaves {extra}"] if extra else []


def more_scenarios() -> dict[str, Scenario]:
    """Return commands that are only killed: batches and sweeps of several formats."""
    usual = scenarios()
    mixed = {
        f"in/{name.replace(' ', '-')}-{one.arguments[0]}": one.files[one.arguments[0]]
        for name, one in usual.items()
        if one.arguments[1] == "-o" and one.arguments[0] in one.files
    }
    noise = ["-s", "0.5", "--seed", "1"]
    sweep = ["--sweep", "sd=1,2", "--replicates", "2", "--seed", "1", "-j", "2"]
    return {
        "many files": Scenario(
            {f"in/{i}.csv": usual["csv in place"].files["in.csv"] for i in range(120)},
            ["in", "-o", "out", *noise, "-j", "2"],
        ),
        "folder of files": Scenario(mixed, ["in", "-o", "out", *noise, "-j", "2"]),
        "folder of files in place": Scenario(mixed, ["in", "--in-place", *noise, "-j", "2"]),
        "mixed sweep": Scenario(mixed, ["in", "--output-dir", "out", *sweep]),
    }


def lines(size: int) -> Iterator[bytes]:
    """Yield blocks of a CSV of about so many bytes."""
    numbers = range(1 << 15)
    block = b"".join(LINE % (1 + i % 28, i % 40, i % 100, i % 3, i) for i in numbers)
    yield b"date,temperature,station,count\n"
    yield from itertools.repeat(block, max(1, size // len(block)))


def pipe(size: int) -> bool:
    """Send a table through the command and `wc -c`; return whether its memory stayed flat."""
    command = [sys.executable, "-m", "noisify", "-", "--from", "csv", "-s", "0.5", "--seed", "1"]
    start = time.monotonic()
    noisify = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    counted = subprocess.Popen(["wc", "-c"], stdin=noisify.stdout, stdout=subprocess.PIPE)  # noqa: S607
    assert noisify.stdin is not None
    assert noisify.stdout is not None
    noisify.stdout.close()
    samples: list[tuple[int, int]] = []
    sent = 0
    for block in lines(size):
        noisify.stdin.write(block)
        sent += len(block)
        if sent // (100 * _MEGA) > len(samples):
            samples.append((sent, resident(noisify.pid)))
            if len(samples) % 10 == 0:
                print(f"pipe: {sent / _GIGA:.0f} GB, {samples[-1][1] / _MEGA:.0f} MB", flush=True)
    noisify.stdin.close()
    written = int(counted.communicate()[0])
    status, seconds = noisify.wait(), time.monotonic() - start
    print(
        f"pipe: {sent / _GIGA:.2f} GB in, {written / _GIGA:.2f} GB out, status {status}, "
        f"{seconds:,.0f} s, {sent / _MEGA / seconds:.0f} MB/s"
    )
    return status == 0 and is_flat([memory for _, memory in samples])


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def is_flat(memory: list[int]) -> bool:
    """Return whether the last half of samples needs no more than the first, and say so."""
    half = len(memory) // 2
    first, last = max(memory[:half], default=0), max(memory[half:], default=0)
    print(f"pipe: at most {first / _MEGA:.1f} MB in the first half, {last / _MEGA:.1f} in the last")
    return last <= 1.05 * first


def main() -> None:
    """Soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="of kills")
    parser.add_argument("--gigabytes", type=float, default=20, help="through a pipe")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    kept = True
    if asked.minutes:
        with tempfile.TemporaryDirectory() as folder:
            kills = Kills(Path(folder), asked.seed)
            kills.go_on_until(time.monotonic() + 60 * asked.minutes)
            print(kills.told())
            kept = not kills.found
    if asked.gigabytes:
        kept &= pipe(int(asked.gigabytes * _GIGA))
    print("the promise was kept" if kept else "the promise was broken")
    sys.exit(not kept)


if __name__ == "__main__":
    main()
