"""Time the whole noisify command against the scripts a user would write instead.

Each job runs noisify and its rivals by turns, in one process each, and compares the medians of
their wall-clock times, their peak memory, and what was to be reached.
"""

# Only the standard library is imported here; measure.py says why.
from __future__ import annotations

import argparse
import platform
import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from jobs import (
    COMPILED,
    CORE,
    JOBS,
    MEMORY_FILES,
    MEMORY_LIMIT_MEGABYTES,
    Job,
    Rival,
    memory_sides,
)
from measure import (
    HERE,
    MEGABYTE,
    BenchmarkError,
    Side,
    by_turns,
    check_sizes,
    compiled_part_in_use,
    generate,
    show,
    usable_cores,
)

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("noisify-cli", "numpy", "pandas", "polars", "pyarrow", "duckdb", "h5py", "click")
SHORT_RUNS = 20
# What two sizes may differ by and still be called the same: pages of the libraries, not of data.
SAME_MEMORY = 1.1

HEADING = (
    f"{'job':<22} {'noisify':<9} {'rival':<22} {'input':>6} {'noisify':>8} {'rival':>8}"
    f" {'times':>6} {'between':>13} {'noisify':>8} {'rival':>6} {'noisify':>8} {'rival':>7}"
    f" {'to reach':>8}\n"
    f"{'':<22} {'as':<9} {'':<22} {'MB':>6} {'s':>8} {'s':>8}"
    f" {'faster':>6} {'':>13} {'MB/s':>8} {'MB/s':>6} {'peak MB':>8} {'peak MB':>7}"
)
MEMORY_HEADING = (
    f"{'file':<16} {'noisify as':<11} {'MB':>6} {'peak MB':>8} {'MB':>6} {'peak MB':>8}"
    f"   under {MEMORY_LIMIT_MEGABYTES} MB, the same for both"
)


def table_row(job: Job, side: str, rival: Rival, source: Path | None, pair: list[Side]) -> str:
    """Write one line of the table of results."""
    ours, theirs = pair
    ratio = theirs.seconds / ours.seconds
    ratios = ours.ratios(theirs)
    spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
    size = speed = rival_speed = "-"
    if source is not None and not job.short:
        megabytes = source.stat().st_size / MEGABYTE
        size, speed = f"{megabytes:.0f}", f"{megabytes / ours.seconds:.0f}"
        rival_speed = f"{megabytes / theirs.seconds:.0f}"
    return (
        f"{job.name:<22} {side:<9} {rival.command.name:<22} {size:>6}"
        f" {ours.seconds:>8.3f} {theirs.seconds:>8.3f} {ratio:>6.2f} {spread:>13}"
        f" {speed:>8} {rival_speed:>6} {ours.peak_megabytes:>8.0f} {theirs.peak_megabytes:>7.0f}"
        f" {verdict(ratio, rival.targets.get(side))}"
    )


def verdict(ratio: float, target: float | None) -> str:
    """Say what a ratio had to reach, and whether it did."""
    if target is None:
        return f"{'-':>8}"
    # What is printed as 1.10 has reached 1.1.
    return f"{target:>8.2f} {'met' if round(ratio, 2) >= round(target, 2) else 'NOT met'}"


def run_job(job: Job, folder: Path, size: int | None, runs: int) -> list[str]:
    """Run all sides of a job by turns, and write its lines of the table.

    Raises:
        BenchmarkError: A command failed, or the sizes of its output are not to be believed.
    """
    source = None if job.file is None else generate(job.file, folder, size or job.megabytes)
    commands = [*job.sides, *(rival.command for rival in job.rivals)]
    turns = max(runs, SHORT_RUNS) if job.short else runs
    measured = by_turns(job.name, commands, source, folder, turns)
    ours, theirs = measured[: len(job.sides)], measured[len(job.sides) :]
    rows = []
    for rival, their_side in zip(job.rivals, theirs, strict=True):
        for command, our_side in zip(job.sides, ours, strict=True):
            if source is not None:
                input_bytes = source.stat().st_size
                check_sizes(input_bytes, our_side.output_bytes, their_side.output_bytes)
            pair = [our_side, their_side]
            rows.append(table_row(job, command.name, rival, source, pair))
    return rows


def run_memory(file: str, folder: Path, sizes: tuple[int, int], *, compiled: bool) -> list[str]:
    """Measure noisify's peak memory on a file of two sizes, and write its lines.

    Raises:
        BenchmarkError: A command failed.
    """
    sides = [side for side in memory_sides(file) if compiled or side.name != "pure"]
    measured = []
    for size in sizes:
        source = generate(file, folder, size)
        try:
            # What memory takes does not vary as time does: one run after the warm-up will do.
            found = by_turns(f"memory of {file}, {size} MB", sides, source, folder, 1)
        finally:
            if size == max(sizes):  # two gigabytes of each would fill a disk
                source.unlink()
        measured.append([side.peak_megabytes for side in found])
    rows = []
    for side, small, large in zip(sides, *measured, strict=True):
        met = max(small, large) < MEMORY_LIMIT_MEGABYTES and large <= small * SAME_MEMORY
        rows.append(
            f"{file:<16} {side.name:<11} {sizes[0]:>6} {small:>8.0f} {sizes[1]:>6} {large:>8.0f}"
            f"   {'met' if met else 'NOT met'}"
        )
    return rows


def chosen_jobs(options: argparse.Namespace, *, compiled: bool) -> list[Job]:
    """Return the jobs to run, with the sides and rivals that there are."""
    names = options.job or (CORE if options.core else [job.name for job in JOBS])
    jobs = []
    for job in JOBS:
        if job.name not in names:
            continue
        sides = tuple(side for side in job.sides if compiled or side.name != COMPILED)
        rivals = tuple(rival for rival in job.rivals if rival.core or not options.core)
        jobs.append(replace(job, sides=sides, rivals=rivals))
    return jobs


def installed_version(package: str) -> str:
    """Return the installed version of a package, or a dash."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "-"


def conditions(runs: int, *, compiled: bool) -> str:
    """Describe when, on what and with what the figures were taken."""
    versions = ", ".join(f"{package} {installed_version(package)}" for package in PACKAGES)
    part = "with its compiled part" if compiled else "without its compiled part, which is not built"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()},"
        f" {usable_cores()} cores, Python {platform.python_version()}\n"
        f"{versions}\n"
        f"noisify {part}; medians of {runs} runs by turns after one warm-up each,"
        f" of {SHORT_RUNS} where a run is short;\n"
        f"between: the least and the most of the turns; MB are 10^6 bytes of the input's file"
    )


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    names = [job.name for job in JOBS]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--size", type=int, metavar="MB", help="of each input file; default: each job's own"
    )
    parser.add_argument("--runs", type=int, default=3, help="of each side, after one warm-up")
    parser.add_argument("--core", action="store_true", help="one job for each thing to reach")
    parser.add_argument(
        "--job", nargs="+", choices=names, default=[], metavar="NAME", help=", ".join(names)
    )
    parser.add_argument(
        "--memory",
        nargs="*",
        choices=MEMORY_FILES,
        metavar="FILE",
        help="compare the peak memory at two sizes too, of these files or of all",
    )
    parser.add_argument(
        "--memory-sizes",
        type=int,
        nargs=2,
        default=(300, 2000),
        metavar="MB",
        help="default: %(default)s",
    )
    parser.add_argument(
        "--dir", type=type(HERE), default=HERE / "data", help="where the generated files are kept"
    )
    options = parser.parse_args()
    if min(options.runs, options.size or 1, *options.memory_sizes) < 1:
        parser.error("sizes and --runs must be at least 1")
    return options


def run_all(
    options: argparse.Namespace, *, compiled: bool
) -> tuple[list[str], list[str], list[str]]:
    """Run what was chosen; return the lines of times, those of memory, and what failed."""
    folder = options.dir.resolve()
    rows: list[str] = []
    memory: list[str] = []
    failures: list[str] = []
    for job in chosen_jobs(options, compiled=compiled):
        try:
            rows += run_job(job, folder, options.size, options.runs)
        except BenchmarkError as error:
            failures.append(f"{job.name}: {error}")
    files = () if options.memory is None else options.memory or MEMORY_FILES
    small, large = options.memory_sizes
    for file in files:
        try:
            memory += run_memory(file, folder, (small, large), compiled=compiled)
        except BenchmarkError as error:
            failures.append(f"memory of {file}: {error}")
    return rows, memory, failures


def main() -> int:
    """Run the chosen jobs, and print their table; return 1 if one of them gave no number."""
    options = parse_arguments()
    compiled = compiled_part_in_use()
    rows, memory, failures = run_all(options, compiled=compiled)
    show("\n" + conditions(options.runs, compiled=compiled))
    if rows:
        show("\n" + "\n".join([HEADING, *rows]))
    if memory:
        show("\n" + "\n".join([MEMORY_HEADING, *memory]))
    if failures:
        show("\nwithout a number\n" + "\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
