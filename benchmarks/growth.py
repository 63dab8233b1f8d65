"""Measure how noisify's time grows: with rows, columns, workers, levels in a sweep, and models.

Prints the fitted exponent of each curve, says if one is worse than linear, and draws growth.svg.
"""

from __future__ import annotations

import argparse
import math
import shutil
import statistics
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from growth_plot import Curve, Panel, drawing
from jobs import FLOATS
from measure import HERE, MEGABYTE, BenchmarkError, Run, generate, run_command, show, usable_cores

FORMATS = {
    "CSV": ("table.csv", ",".join(FLOATS)),
    "Parquet": ("snappy.parquet", ",".join(FLOATS)),
    "NPY": ("float64.npy", "data"),
    "HDF5 gzip": ("gzip.h5", "entry/data"),
}
FACTORS = (1, 2, 4, 8, 16)
COLUMNS = (10, 100, 1000, 10_000)
COUNTS = (1, 2, 4, 8, 16, 32)
WORKERS = (1, 2)
MODELLED_WORKERS = tuple(2**power for power in range(7))
# What an exponent may be off by: the machine is never quite quiet.
TOLERANCE = 0.15


@dataclass(frozen=True, kw_only=True)
class Point:
    """The medians of a few runs.

    Attributes:
        x: What was varied.
        seconds: The time.
        user_seconds: The processor time of all processors but the system's, most of which goes
            into the page cache.
        system_seconds: The system's.
        megabytes: The peak memory.
    """

    x: float
    seconds: float
    user_seconds: float
    system_seconds: float
    megabytes: float


class Case(NamedTuple):
    """One point of a curve, before it is measured.

    Attributes:
        x: What is varied.
        source: The file.
        options: What noisify is told.
        script: A script in `rivals` to run instead of noisify; empty: none.
    """

    x: float
    source: Path
    options: list[str]
    script: str = ""


class Bench:
    """Runs noisify on generated files, a few times each.

    Args:
        folder: Where the files are.
        runs: How many runs, after one warm-up.
    """

    def __init__(self, folder: Path, runs: int) -> None:
        self.folder = folder
        self._runs = runs

    def case(self, x: float, file: str, size: float, options: list[str]) -> Case:
        """Return a point to be measured on a generated file."""
        return Case(x, generate(file, self.folder, size), options)

    def points(self, cases: list[Case]) -> list[Point]:
        """Measure the points of a curve by turns, so that a slow minute bends none of it.

        Raises:
            BenchmarkError: A run failed.
        """
        turns = [[self._run(case) for case in cases] for _ in range(self._runs + 1)]
        return [self._point(*measured) for measured in zip(cases, *turns[1:], strict=True)]

    def _run(self, case: Case) -> Run:
        """Run noisify, or a script; its outputs are removed."""
        outputs = self.folder / "growth"
        outputs.mkdir(exist_ok=True)
        words = ["-m", "noisify", str(case.source), "--output-dir", str(outputs), "--seed", "42"]
        words += ["-q", *case.options]
        if case.script:
            script = HERE / "rivals" / case.script
            words = [str(script), str(case.source), str(outputs / case.source.name)]
        try:
            return run_command([sys.executable, *words])
        finally:
            shutil.rmtree(outputs, ignore_errors=True)

    def _point(self, case: Case, *runs: Run) -> Point:
        seconds = statistics.median(run.seconds for run in runs)
        user = statistics.median(run.user_seconds for run in runs)
        system = statistics.median(run.system_seconds for run in runs)
        megabytes = max(run.peak_bytes for run in runs) / MEGABYTE
        show(
            f"{case.source.name}, {case.x:g}: {seconds:.2f} s, user {user:.2f},"
            f" system {system:.2f}, {megabytes:.0f} MB"
        )
        return Point(
            x=case.x,
            seconds=seconds,
            user_seconds=user,
            system_seconds=system,
            megabytes=megabytes,
        )


def exponent(points: list[tuple[float, float]]) -> float:
    """Return k of the law y = a + b·x^k that fits points whose x rise by one factor.

    The differences of such a law from point to point grow as x^k, whatever it starts from; the
    start-up of Python drops out. Each difference weighs as much as it is long, for a short one is
    mostly chance. NaN where the time does not rise.
    """
    rises = [
        (math.log(x), math.log(after - before), after)
        for (x, before), (_, after) in pairwise(points)
        if after > before
    ]
    if len(rises) < 2:  # noqa: PLR2004 - a line has two points
        return math.nan
    weight = sum(w for _, _, w in rises)
    mean_x = sum(w * x for x, _, w in rises) / weight
    mean_y = sum(w * y for _, y, w in rises) / weight
    spread = sum(w * (x - mean_x) ** 2 for x, _, w in rises)
    return sum(w * (x - mean_x) * (y - mean_y) for x, y, w in rises) / spread


def serial_share(points: list[Point]) -> float:
    """Return the share of the time that workers do not shorten, by Amdahl from 1 and 2 workers."""
    one, two = (point.seconds for point in points)
    return min(1.0, max(0.0, 2 * two / one - 1))


def speed_up(share: float, workers: int) -> float:
    """Return how many times as fast some workers are as one, by Amdahl."""
    return 1 / (share + (1 - share) / workers)


def judged(name: str, points: list[Point]) -> str:
    """Return a line that says how time grows, and whether that is worse than linear."""
    found = exponent([(point.x, point.seconds) for point in points])
    if math.isnan(found):
        return f"{name:<32} no rise that can be measured"
    user = exponent([(point.x, point.user_seconds) for point in points])
    said = "WORSE THAN LINEAR" if found > 1 + TOLERANCE else "no worse than linear"
    return f"{name:<32} {found:>5.2f}   {said}; of user time {user:.2f}"


def ratio(points: list[Point]) -> float:
    """Return the processor time of the last point as a multiple of that of the first."""
    first, last = (point.user_seconds + point.system_seconds for point in (points[0], points[-1]))
    return last / first


def curve(label: str, points: list[Point]) -> Curve:
    """Return points of time as a curve."""
    return Curve(label, tuple((point.x, point.seconds) for point in points))


def over_rows(bench: Bench, size: int, said: list[str]) -> list[Panel]:
    """Measure each format at several sizes."""
    times, memory = [], []
    for name, (file, columns) in FORMATS.items():
        sizes = [size * factor for factor in FACTORS]
        sources = [generate(file, bench.folder, each) for each in sizes]
        options = ["-s", "0.1", "-c", columns]
        points = bench.points(
            [Case(source.stat().st_size / MEGABYTE, source, options) for source in sources]
        )
        times.append(curve(name, points))
        memory.append(Curve(name, tuple((point.x, point.megabytes) for point in points)))
        said.append(judged(f"rows, {name}", points))
    return [
        Panel("Rows", "size of the file, MB", "time, s", tuple(times), reference=1),
        Panel("Memory", "size of the file, MB", "peak MB", tuple(memory), reference=0),
    ]


def over_columns(bench: Bench, size: int, said: list[str]) -> list[Panel]:
    """Measure tables of more and more columns: with as many rows, and with as many cells."""
    rows, cells = [], []
    for name, suffix in (("CSV", "csv"), ("Parquet", "parquet")):
        files = {columns: f"wide{columns}.{suffix}" for columns in COLUMNS}
        noise = ["-s", "0.1"]
        shares = {columns: 2 * size * columns / COLUMNS[-1] for columns in COLUMNS}
        grown = bench.points([bench.case(n, file, shares[n], noise) for n, file in files.items()])
        rows.append(curve(name, grown))
        said.append(judged(f"columns, as many rows, {name}", grown))
        for level in ("0.1", "0.1sd"):
            cases = [bench.case(n, file, size, ["-s", level]) for n, file in files.items()]
            same = bench.points(cases)
            if level == noise[1]:
                cells.append(curve(name, same))
            said.append(
                f"{f'as many cells, {name}, {level}':<32} {ratio(same):>5.2f}   times the processor"
                f" time with {COLUMNS[-1]} columns of {COLUMNS[0]}, {same[-1].megabytes:.0f} MB"
            )
    rewrites = bench.points([case._replace(script="parquet_rewrite.py") for case in cases])
    said.append(f"{'as many cells, pyarrow itself':<32} {ratio(rewrites):>5.2f}   likewise")
    return [
        Panel("Columns, as many rows", "columns", "time, s", tuple(rows), reference=1),
        Panel("Columns, as many cells", "columns", "time, s", tuple(cells), reference=0),
    ]


def over_workers(bench: Bench, size: int, said: list[str]) -> Panel:
    """Measure each format with one worker and with two, and work out more by Amdahl's law."""
    curves = []
    for name, (file, columns) in FORMATS.items():
        noise = ["-s", "0.1", "-c", columns]
        points = bench.points([bench.case(n, file, size, [*noise, "-j", str(n)]) for n in WORKERS])
        share = serial_share(points)
        measured = tuple((point.x, points[0].seconds / point.seconds) for point in points)
        model = tuple((float(n), speed_up(share, n)) for n in MODELLED_WORKERS)
        curves += [Curve(name, model, is_model=True), Curve(name, measured)]
        said.append(
            f"{f'workers, {name}':<32} {measured[-1][1]:>5.2f}   times as fast with two;"
            f" serial share {100 * share:.0f}%; model: {model[-1][1]:.1f} times with 64"
        )
    return Panel(
        "Workers",
        "workers (dashed: Amdahl's law, a model)",
        "times as fast",
        tuple(curves),
        reference=1,
    )


def over_levels(bench: Bench, size: int, said: list[str]) -> Panel:
    """Measure sweeps of more and more levels; each makes an output.

    The file should be small: all outputs are in the page cache together before any gets its name,
    and where that grows by more than a gigabyte or so, a virtual machine may have to ask its host
    for memory, at several times the cost however many outputs there are.
    """
    curves = []
    for name in ("CSV", "NPY"):
        file, columns = FORMATS[name]
        cases = []
        for count in COUNTS:
            levels = ",".join(f"{0.1 * (n + 1):.1f}" for n in range(count))
            options = ["--sweep", f"scale={levels}", "-c", columns]
            cases.append(bench.case(count, file, size, options))
        points = bench.points(cases)
        curves.append(curve(name, points))
        said.append(judged(f"levels in a sweep, {name}", points))
    return Panel("Levels in a sweep", "levels", "time, s", tuple(curves), reference=1)


def over_models(bench: Bench, size: int, said: list[str]) -> Panel:
    """Measure recipes of more and more models, one after the other on the same fields."""
    curves = []
    for name in ("CSV", "NPY"):
        file, columns = FORMATS[name]
        cases = []
        for count in COUNTS:
            recipe = bench.folder / f"recipe{count}.toml"
            chosen = ", ".join(f'"{field}"' for field in columns.split(","))
            model = f'[[noise]]\nfields = [{chosen}]\nmodel = "normal"\nscale = 0.1\n'
            recipe.write_text(model * count, encoding="utf-8")
            cases.append(bench.case(count, file, size, ["--recipe", str(recipe)]))
        points = bench.points(cases)
        curves.append(curve(name, points))
        said.append(judged(f"models in a recipe, {name}", points))
    return Panel("Models in a recipe", "models", "time, s", tuple(curves), reference=1)


def main() -> int:
    """Measure, print and draw; return 1 if something could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--size",
        type=int,
        default=40,
        metavar="MB",
        help="of the smallest file; default: %(default)s",
    )
    parser.add_argument("--runs", type=int, default=3, help="after one warm-up")
    parser.add_argument("--dir", type=Path, default=HERE / "data")
    parser.add_argument("--plot", type=Path, default=HERE / "growth.svg", metavar="FILE")
    options = parser.parse_args()
    bench = Bench(options.dir.resolve(), options.runs)
    said: list[str] = []
    try:
        panels = over_rows(bench, options.size, said)
        panels += [
            *over_columns(bench, 2 * options.size, said),
            over_workers(bench, FACTORS[-1] * options.size, said),
            over_levels(bench, options.size // 2, said),
            over_models(bench, 4 * options.size, said),
        ]
    except BenchmarkError as error:
        show(str(error))
        return 1
    options.plot.write_text(drawing(panels), encoding="utf-8", newline="\n")
    show(f"\n{usable_cores()} cores, medians of {options.runs} runs; exponents of time\n")
    show("\n".join(said))
    show(f"\nwrote {options.plot}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
