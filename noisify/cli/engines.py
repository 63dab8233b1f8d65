"""Choose what makes the outputs: this process, or a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.errors import UsageError
from noisify.engine import dask_batch, dask_cluster
from noisify.engine.batch import FileResult, process_all
from noisify.engine.job import process
from noisify.files.output import STANDARD_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack

    from noisify.cli.arguments import Arguments
    from noisify.engine.batch import BatchProgress, FileJob
    from noisify.engine.open_input import Settings


def check_engine(arguments: Arguments, inputs: Sequence[str]) -> None:
    """Refuse options that do not go with the engine.

    Raises:
        UsageError: If there is one.
    """
    if arguments.engine != "dask":
        if arguments.scheduler is not None:
            raise UsageError("--scheduler is for --engine dask; add it")
        if arguments.part_size is not None:
            raise UsageError("--part-size is for --engine dask; add it")
        return
    if arguments.in_place:
        raise UsageError(
            "--in-place would add noise twice where Dask repeats a task; use --output-dir DIR"
        )
    unnamed = STANDARD_OUTPUT in inputs or arguments.output == STANDARD_OUTPUT
    if unnamed or not (arguments.output or arguments.output_dir):
        raise UsageError("--engine dask reads and writes named files; use -o or --output-dir")


def results_of(
    files: Iterator[FileJob],
    arguments: Arguments,
    settings: Settings,
    progress: BatchProgress,
    *,
    count: int,
    kept: ExitStack,
) -> Iterator[FileResult]:
    """Make the outputs of files, and yield the result of each, in order.

    Args:
        files: The inputs and their outputs.
        arguments: The command line.
        settings: The settings.
        progress: Receives the progress.
        count: The number of files.
        kept: Closes the cluster at the end of the run.
    """
    if arguments.engine == "dask":
        cluster = dask_cluster.DaskCluster(arguments.scheduler, settings.jobs)
        kept.callback(cluster.close)
        return dask_batch.process_all_on(
            cluster,
            files,
            settings,
            progress,
            count=count,
            part_bytes=arguments.part_size or dask_batch.BATCH_BYTES,
        )
    if count > 1:
        return process_all(files, settings, progress, count=count)
    return (_alone(one, settings, progress) for one in files)


def _alone(one: FileJob, settings: Settings, progress: BatchProgress) -> FileResult:
    """Make the outputs of the only file; its failure ends the run."""
    progress.begin(one.size or 0)
    return FileResult(one.path, process(one.path, one.wanted, settings))
