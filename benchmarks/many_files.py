"""Measure batches: 1,000 CSV files of 100 rows against a pandas loop, and 10,000 against 1,000.

noisify syncs its outputs, pandas does not. One command writes each batch.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
from pathlib import Path

from measure import HERE, MEGABYTE, BenchmarkError, Run, run_command, show, usable_cores

ROWS = 100
COUNTS = (1000, 10_000)
# As fast as twice the loop; ten times the files in ten times the time and the same memory, but
# for their names (some 600 bytes a file) and what the machine's unrest makes of it.
RIVAL_TARGET = 2.0
GROWTH_TARGET = 10.0
TOLERANCE = 0.15
MEMORY_TARGET = 1.2


NOISIFY = ["-m", "noisify", "{source}", "-o", "{target}", "-s", "0.1", "--seed", "42", "-q"]
PANDAS = [str(HERE / "rivals" / "many_pandas.py"), "{source}", "{target}"]


def batch(folder: Path, count: int) -> Path:
    """Make a folder of small tables, unless it is there, and return its path."""
    made = folder / f"many-{count}"
    if made.exists():
        return made
    unfinished = folder / f"many-{count}.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    numbers = random.Random(1)  # noqa: S311 - no secret
    for number in range(count):
        rows = (
            f"{row},{numbers.gauss(20, 5):.3f},{numbers.gauss(50, 10):.2f},{numbers.random()},ok\n"
            for row in range(ROWS)
        )
        text = "id,temperature,humidity,share,status\n" + "".join(rows)
        (unfinished / f"t{number:05d}.csv").write_text(text, encoding="utf-8", newline="\n")
    unfinished.rename(made)
    return made


def run(words: list[str], source: Path) -> Run:
    """Run a command on a folder from a clean start; {source} and {target} stand for the folders.

    Raises:
        BenchmarkError: It failed, or did not write every file.
    """
    target = source.with_name("many-out")
    shutil.rmtree(target, ignore_errors=True)
    os.sync()
    folders = {"{source}": str(source), "{target}": str(target)}
    done = run_command([sys.executable, *(folders.get(word, word) for word in words)])
    if len(list(target.iterdir())) != len(list(source.iterdir())):
        raise BenchmarkError(f"not every file was written: {' '.join(words)}")
    shutil.rmtree(target)
    return done


def say_target(what: str, value: float, target: float, *, met: bool) -> None:
    """Print what was measured beside what is to be reached."""
    show(f"{what:<44} {value:6.2f} {target:6.2f} {'met' if met else 'NOT met'}")


def main() -> int:
    """Measure and print; return 1 if something could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="after one warm-up")
    parser.add_argument("--dir", type=Path, default=HERE / "data")
    options = parser.parse_args()
    few, many = (batch(options.dir.resolve(), count) for count in COUNTS)
    show(f"{usable_cores()} cores, medians of {options.runs} runs by turns\n")
    turns: dict[str, list[Run]] = {"noisify": [], "pandas": [], "noisify, more": []}
    try:
        for turn in range(1 + options.runs):
            for name, words, source in (
                ("noisify", NOISIFY, few),
                ("pandas", PANDAS, few),
                ("noisify, more", NOISIFY, many),
            ):
                done = run(words, source)
                turns[name] += [done] if turn else []
    except BenchmarkError as error:
        show(str(error))
        return 1
    seconds = {name: statistics.median(one.seconds for one in runs) for name, runs in turns.items()}
    peaks = {name: max(one.peak_bytes for one in runs) for name, runs in turns.items()}
    for name, median in seconds.items():
        count = COUNTS["more" in name]
        user = statistics.median(one.user_seconds for one in turns[name])
        show(f"{name.partition(',')[0]:<8} {count:>6,} files {median:7.2f} s, {user:6.2f} s of a "
             f"processor, {peaks[name] / MEGABYTE:4.0f} MB")  # fmt: skip
    show(f"\n{'':<44} {'found':>6} {'target':>6}")
    faster = seconds["pandas"] / seconds["noisify"]
    say_target("times as fast as pandas", faster, RIVAL_TARGET, met=faster >= RIVAL_TARGET)
    growth = seconds["noisify, more"] / seconds["noisify"]
    met = growth <= GROWTH_TARGET * (1 + TOLERANCE)
    say_target("time for ten times as many files", growth, GROWTH_TARGET, met=met)
    memory = peaks["noisify, more"] / peaks["noisify"]
    say_target("memory for them", memory, MEMORY_TARGET, met=memory <= MEMORY_TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
