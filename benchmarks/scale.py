"""Measure what Dask costs beside a run on this machine, and work out a thousand workers from it.

Everything is made in a folder of its own, which is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from cluster import Cluster, Counts, cluster
from growth_plot import drawing
from many_files import PANDAS, batch
from measure import (
    HERE,
    MEGABYTE,
    ROOT,
    BenchmarkError,
    Run,
    generate,
    run_command,
    show,
    usable_cores,
)
from simulate import Costs, growth

WORKERS = 2
KINDS = {"CSV": "table.csv", "Parquet": "snappy.parquet", "NPY": "float64.npy"}
FILES = 8
FULL_SIZE = 2000
MANY = 10_000
NO_OPS = 2000
OVERHEAD_TARGET = 1.25
RIVAL_TARGET = 2.0
EFFICIENCY_TARGET = 0.8
NOISE = ["-s", "0.1", "--seed", "42", "-q"]


@dataclass
class Side:
    """The runs of one way to do a job.

    Attributes:
        name: What the table calls it.
        runs: One for each turn.
        counts: What the cluster did in the last turn.
        sent_by_client: Bytes, in the last turn.
        client_seconds: Of a processor, in the last turn.
        alone: Seconds before the first task began and after the last one ended, each turn.
    """

    name: str
    runs: list[Run] = field(default_factory=list)
    counts: Counts | None = None
    sent_by_client: int = 0
    client_seconds: float = 0.0
    alone: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Return the median time."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def processor_seconds(self) -> float:
        """Return the median time of processors, those of the cluster in the last turn with it."""
        own = statistics.median(run.user_seconds + run.system_seconds for run in self.runs)
        counts = self.counts
        return own + (counts.scheduler_seconds + counts.worker_seconds if counts else 0)

    @property
    def serial_seconds(self) -> float:
        """Return the median time of the client alone."""
        return statistics.median(self.alone)


class Bench:
    """Runs commands by turns.

    Args:
        folder: Where everything is made.
        runs: Turns that count, after one warm-up.
        running: A cluster.
    """

    def __init__(self, folder: Path, runs: int, running: Cluster) -> None:
        self._folder = folder
        self._runs = runs
        self._cluster = running

    def by_turns(self, title: str, sources: list[str], *, pandas: bool = False) -> dict[str, Side]:
        """Run a job on this machine, on the cluster and on one of its own, by turns.

        Args:
            title: What it is called.
            sources: The inputs.
            pandas: Whether a loop of pandas over the only input, a folder, is a rival.
        """
        target = self._folder / "out"
        command = [*sources, "--output-dir", str(target), "-j", str(WORKERS), *NOISE]
        own = [*command, "--engine", "dask"]
        running = [*own, "--scheduler", str(self._cluster.scheduler_file)]
        counted = self._folder / "client.json"
        lines = {
            "local": [sys.executable, "-m", "noisify", *command],
            "dask": [sys.executable, str(HERE / "traffic.py"), str(counted), *running],
            "dask, started": [sys.executable, "-m", "noisify", *own],
        }
        if pandas:
            words = {"{source}": sources[0], "{target}": str(target)}
            lines["pandas"] = [sys.executable, *(words.get(word, word) for word in PANDAS)]
        sides = {name: Side(name) for name in lines}
        self._cluster.counts()
        for turn in range(0 if self._runs > 1 else 1, self._runs + 1):
            for name, line in lines.items():
                shutil.rmtree(target, ignore_errors=True)
                begun = time.time()
                done = run_command(line, {"PYTHONPATH": str(ROOT)})
                ended = time.time()
                if not any(target.iterdir()):
                    raise BenchmarkError(f"no output: {' '.join(line)}")
                counts = self._cluster.counts()
                if turn == 0:
                    continue
                sides[name].runs.append(done)
                if name == "dask":
                    self._note(sides[name], counts, json.loads(counted.read_text()), begun, ended)
            seconds = [f"{side.name} {side.runs[-1].seconds:.2f} s" for side in sides.values()
                       if side.runs]  # fmt: skip
            show(f"{title}, {f'turn {turn}: ' + ', '.join(seconds) if turn else 'warm-up'}")
        shutil.rmtree(target, ignore_errors=True)
        return sides

    def _note(
        self, side: Side, counts: Counts, client: dict[str, float], begun: float, ended: float
    ) -> None:
        side.counts = counts
        side.sent_by_client = int(client["sent"])
        side.client_seconds = client["cpu"]
        first, last = counts.tasks[0][0], max(end for _, end in counts.tasks)
        side.alone.append(first - begun + ended - last)


def say_target(what: str, value: float, target: float, *, met: bool) -> None:
    """Print what was measured beside what is to be reached."""
    show(f"{what:<52} {value:7.2f} {target:7.2f} {'met' if met else 'NOT met'}")


def inputs(folder: Path, name: str, size: float, count: int) -> list[str]:
    """Make files of the same kind, and return their paths."""
    first = generate(name, folder / "in", size / count)
    paths = [first.with_name(f"{number}-{name}") for number in range(count)]
    first.rename(paths[0])
    for path in paths[1:]:
        shutil.copyfile(paths[0], path)
    return [str(path) for path in paths]


def overhead(bench: Bench, folder: Path, size: float, count: int) -> dict[str, Side]:
    """Measure files of each kind, and print times, traffic and the client's share."""
    found: dict[str, dict[str, Side]] = {}
    sizes = {}
    for kind, name in KINDS.items():
        paths = inputs(folder, name, size, count)
        sizes[kind] = sum(Path(path).stat().st_size for path in paths)
        found[kind] = bench.by_turns(kind, paths)
        shutil.rmtree(folder / "in")
    show(f"\n{count} files of {size / count:g} MB; seconds, and what the cluster did for it\n")
    show(f"{'':<8} {'local':>7} {'dask':>7} {'started':>8} {'in tasks':>9} {'alone':>6}"
         f" {'processor':>16} {'client kB':>10} {'scheduler':>10} {'workers':>8}"
         f" {'MB/s a worker':>14}")  # fmt: skip
    for kind, sides in found.items():
        side, local = sides["dask"], sides["local"]
        counts = counts_of(side)
        show(f"{kind:<8} {local.seconds:7.2f} {side.seconds:7.2f}"
             f" {sides['dask, started'].seconds:8.2f} {counts.busy_seconds:9.2f}"
             f" {side.serial_seconds:6.2f} {local.processor_seconds:7.2f}"
             f" {side.processor_seconds:8.2f} {side.sent_by_client / 1000:10.1f}"
             f" {counts.sent_by_scheduler / 1000:10.1f} {counts.sent_by_workers / 1000:8.1f}"
             f" {sizes[kind] / MEGABYTE / counts.busy_seconds:14.0f}")  # fmt: skip
    show(f"\n{'':<52} {'found':>7} {'target':>7}")
    for kind, sides in found.items():
        for name, where in (("dask", "a running cluster"), ("dask, started", "one of its own")):
            times = sides[name].seconds / sides["local"].seconds
            met = times <= OVERHEAD_TARGET
            say_target(
                f"{kind}: times as long as local, on {where}", times, OVERHEAD_TARGET, met=met
            )
    return {kind: sides["dask"] for kind, sides in found.items()}


def counts_of(side: Side) -> Counts:
    """Return what the cluster did.

    Raises:
        BenchmarkError: Nothing was counted.
    """
    if side.counts is None:
        raise BenchmarkError("the cluster's work was not counted")
    return side.counts


def small_files(bench: Bench, folder: Path, count: int) -> Side:
    """Measure a folder of small files beside a loop of pandas, and print it."""
    source = batch(folder, count)
    sides = bench.by_turns(f"{count:,} small files", [str(source)], pandas=True)
    side = sides["dask"]
    counts = counts_of(side)
    show(f"\n{count:,} CSV files of 100 rows\n")
    for name, one in sides.items():
        show(f"{name:<14} {one.seconds:7.2f} s   {1e6 * one.seconds / count:7.0f} µs a file")
    show(f"{len(counts.tasks)} tasks; sent for each file: client"
         f" {side.sent_by_client / count:.0f} bytes, scheduler"
         f" {counts.sent_by_scheduler / count:.0f}, workers"
         f" {counts.sent_by_workers / count:.0f}")  # fmt: skip
    show(f"\n{'':<52} {'found':>7} {'target':>7}")
    for name in ("local", "dask"):
        faster = sides["pandas"].seconds / sides[name].seconds
        say_target(
            f"{name}: times as fast as pandas", faster, RIVAL_TARGET, met=faster >= RIVAL_TARGET
        )
    return side


def task_cost(running: Cluster, tasks: int) -> tuple[float, float, float]:
    """Return what a task that does nothing takes: in all, of the client, of the scheduler."""
    running.run_nothing(tasks // 10, WORKERS)
    running.counts()
    begun, client = time.perf_counter(), time.process_time()
    running.run_nothing(tasks, WORKERS)
    seconds, client = time.perf_counter() - begun, time.process_time() - client
    scheduler = running.counts().scheduler_seconds
    show(f"\na task that does nothing: {1e6 * seconds / tasks:.0f} µs in all, of a processor"
         f" {1e6 * client / tasks:.0f} µs in the client and {1e6 * scheduler / tasks:.0f} µs in"
         " the scheduler")  # fmt: skip
    return seconds / tasks, client / tasks, scheduler / tasks


def main() -> int:
    """Measure, simulate, print and draw; return 1 if something could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--size", type=float, default=FULL_SIZE, metavar="MB",
        help="of each kind of file in all; small files, tasks and the simulated terabytes shrink "
        "with it; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--files", type=int, default=FILES, metavar="N",
        help="of each kind; 1: one large file, which Dask cuts; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=5, help="after one warm-up; 1: without")
    parser.add_argument("--dir", type=Path, help="where the folder is made; default: temporary")
    parser.add_argument("--plot", type=Path, default=HERE / "scale.svg", metavar="FILE")
    options = parser.parse_args()
    share = options.size / FULL_SIZE
    show(f"{usable_cores()} cores, medians of {options.runs} runs by turns\n")
    try:
        with tempfile.TemporaryDirectory(dir=options.dir, prefix="noisify-scale-") as name:
            folder = Path(name)
            with cluster(folder, WORKERS) as running:
                bench = Bench(folder, options.runs, running)
                large = overhead(bench, folder, options.size, options.files)
                small = small_files(bench, folder, max(100, round(MANY * share)))
                _, client, scheduler = task_cost(running, max(100, round(NO_OPS * share)))
    except BenchmarkError as error:
        show(str(error))
        return 1
    files = max(100, round(MANY * share))
    once = min(side.client_seconds for side in large.values())
    base = Costs(
        start_seconds=max(side.serial_seconds for side in large.values()),
        client_seconds=client + max(0, small.client_seconds - once) / files,
        scheduler_seconds=scheduler,
        bytes_a_second=0.0,
    )
    kinds = {
        kind: replace(base, bytes_a_second=1e6 * options.size / counts_of(side).busy_seconds)
        for kind, side in large.items()
    }
    panels, lines, worst = growth(kinds, share)
    show("\n" + "\n".join(lines) + "\n")
    say_target(
        "simulated: share of 1,000 workers' time that is used"[:52],
        worst, EFFICIENCY_TARGET, met=worst >= EFFICIENCY_TARGET,
    )  # fmt: skip
    options.plot.write_text(
        drawing(panels, "noisify on a Dask cluster, simulated"), encoding="utf-8", newline="\n"
    )
    show(f"\nwrote {options.plot}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
