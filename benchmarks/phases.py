"""Say where the time goes: read, decode, noise, encode, write, for each format.

The command runs in this process, with one worker, and the stages that engine/loop.py draws are
timed from outside. With more workers the middle three overlap, so these are shares of the work, and
what reading and writing take is what more workers cannot shorten.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from jobs import MEMORY_FILES, absolute_level
from measure import HERE, MEGABYTE, BenchmarkError, generate, show

from noisify.cli import main as noisify_command
from noisify.engine import loop, survey
from noisify.engine.noiser import Noiser
from noisify.files.output import FileOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from noisify.core.chunk import Field
    from noisify.formats.interface import Reading

# What is looked for in a first pass, before any noise, is not one of the five.
STAGES = ("survey", "read", "decode", "noise", "encode", "write", "sync")


class Stopwatch:
    """Adds up the seconds of each stage, of one thread, where one stage is not inside another."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._running = False

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside to a stage, unless a stage that is running has it already."""
        if self._running:
            yield
            return
        self._running = True
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start
            self._running = False

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose calls count to a stage."""

        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            with self.stage(name):
                return function(*arguments, **options)

        return call


class TimedSource:
    """A source whose reading and decoding are timed; it is the source in all else."""

    def __init__(self, source: Any, watch: Stopwatch) -> None:  # noqa: ANN401
        self._source = source
        self._watch = watch
        self.decode = watch.timed("decode", source.decode)
        self.condition_values = watch.timed("decode", source.condition_values)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return what is not timed as it is."""
        return getattr(self._source, name)

    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[Any]:
        """Read the raw pieces."""
        reading = self._source.read(groups, size)
        step = self._watch.timed("read", lambda: next(reading.pieces, None))
        return replace(reading, pieces=iter(step, None))


class TimedSink:
    """A sink whose encoding and writing are timed."""

    def __init__(self, sink: Any, watch: Stopwatch) -> None:  # noqa: ANN401
        self.encode = watch.timed("encode", sink.encode)
        self.with_rows = watch.timed("encode", sink.with_rows)
        self.positional = sink.positional
        self.write_at_position = watch.timed("write", sink.write_at_position)
        self.write = watch.timed("write", sink.write)
        self.finish = watch.timed("write", sink.finish)
        self.close = watch.timed("write", sink.close)


@contextmanager
def watched(watch: Stopwatch) -> Iterator[None]:
    """Time the stages of the runs inside."""
    run = loop.run

    def timed_run(source: Any, tasks: Sequence[loop.Task], **options: Any) -> Any:  # noqa: ANN401
        sinks: list[Any] = [TimedSink(task.sink, watch) for task in tasks]
        timed = [replace(task, sink=sink) for task, sink in zip(tasks, sinks, strict=True)]
        timed_source: Any = TimedSource(source, watch)
        return run(timed_source, timed, **options)

    with ExitStack() as patches:
        for owner, name, function in (
            (loop, "run", timed_run),
            (survey, "in_passes", watch.timed("survey", survey.in_passes)),
            (Noiser, "apply", watch.timed("noise", Noiser.apply)),
            (FileOutput, "commit", watch.timed("sync", FileOutput.commit)),
        ):
            patches.enter_context(patch.object(owner, name, function))
        yield


def run_once(words: Sequence[str]) -> Stopwatch:
    """Run the command in this process, and time its stages; "total" is all of it.

    Raises:
        BenchmarkError: It failed.
    """
    watch = Stopwatch()
    start = time.perf_counter()
    with watched(watch):
        try:
            noisify_command(words)
        except SystemExit as end:
            if end.code:
                raise BenchmarkError(f"exit status {end.code}: {' '.join(words)}") from None
    watch.seconds["total"] = time.perf_counter() - start
    return watch


def row(name: str, source: Path, level: str, runs: int) -> str:
    """Run noisify on a file, and write its line of the table.

    Raises:
        BenchmarkError: It failed.
    """
    target = source.with_name(f"output{''.join(source.suffixes)}")
    noise = ["-s", level, "--seed", "42", "-c", MEMORY_FILES[source.name], "-j", "1", "-q"]
    found = []
    try:
        for _ in range(runs + 1):
            target.unlink(missing_ok=True)
            os.sync()
            found.append(run_once([str(source), "-o", str(target), *noise]).seconds)
    finally:
        target.unlink(missing_ok=True)
    medians = {stage: statistics.median(run[stage] for run in found[1:]) for stage in found[0]}
    total = medians.pop("total")
    medians["rest"] = total - sum(medians.values())
    shares = " ".join(f"{100 * seconds / total:>6.0f}%" for seconds in medians.values())
    return f"{name:<22} {source.stat().st_size / MEGABYTE:>6.0f} {total:>7.2f} {shares}"


def main() -> int:
    """Print the table; return 1 if a line is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", metavar="FILE", help=", ".join(MEMORY_FILES))
    parser.add_argument("--size", type=int, default=300, metavar="MB")
    parser.add_argument("--runs", type=int, default=3, help="after one warm-up")
    parser.add_argument("--dir", type=Path, default=HERE / "data")
    options = parser.parse_args()
    if unknown := set(options.files) - set(MEMORY_FILES):
        parser.error(f"no such file: {', '.join(sorted(unknown))}")
    headings = " ".join(f"{stage:>7}" for stage in (*STAGES, "rest"))
    rows, failures = [], []
    for name in options.files or MEMORY_FILES:
        for level in (absolute_level(name), "0.1sd"):
            try:
                source = generate(name, options.dir.resolve(), options.size)
                rows.append(row(f"{name} {level}", source, level, options.runs))
            except BenchmarkError as error:
                failures.append(f"{name}: {error}")
    show(f"one worker, medians of {options.runs} runs, shares of the time\n")
    show("\n".join([f"{'file, level':<22} {'MB':>6} {'s':>7} {headings}", *rows]))
    if failures:
        show("\nwithout a number\n" + "\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
