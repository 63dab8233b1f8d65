"""Functions that run on the workers of a Dask cluster; each may run more than once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from noisify.core.errors import NoisifyError
from noisify.engine.batch import FileJob, FileResult, in_one_thread
from noisify.engine.dask_cluster import fingerprint, unlike

if TYPE_CHECKING:
    from collections.abc import Callable

    from noisify.engine.open_input import Settings

_ATTEMPTS = 3


def attempt(work: Callable[[Any], Any], item: object, expected: dict[str, str]) -> Any:  # noqa: ANN401 - of the function
    """Do some work, with up to three attempts if input or output fails.

    Raises:
        NoisifyError: If it fails, or this worker might make other noise than the client.
    """
    if (mine := fingerprint()) != expected:
        raise unlike(_this_worker(), mine, expected)
    for _ in range(_ATTEMPTS - 1):
        try:
            return work(item)
        except (OSError, NoisifyError) as error:
            if isinstance(error, NoisifyError) and not _is_worth_a_try(error):
                raise
        check_wanted(0)
    return work(item)


def make_files(job: tuple[list[FileJob], Settings]) -> list[FileResult]:
    """Make the outputs of some files."""
    files, settings = job
    results = in_one_thread(files, settings)
    for _ in range(_ATTEMPTS - 1):
        failed = {result.path for result in results if _is_worth_a_try(result.failure)}
        if not failed:
            break
        again = iter(in_one_thread([one for one in files if one.path in failed], settings))
        results = [next(again) if result.path in failed else result for result in results]
    for failure in (result.failure for result in results):
        if failure is not None and _is_worth_a_try(failure):
            failure.message += f", on {_this_worker()}"
    return results


def check_wanted(_: int) -> None:
    """Stop if nobody waits for the task any more.

    Raises:
        NoisifyError: If its client has cancelled it or is gone.
    """
    worker = import_module("distributed").get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    if task is None or task.state == "cancelled":
        raise NoisifyError("was stopped")


def _this_worker() -> str:
    return f"worker {import_module('distributed').get_worker().address}"


def _is_worth_a_try(failure: NoisifyError | None) -> bool:
    """Return whether a failure is of input or output, not of the data or the request."""
    return type(failure) is NoisifyError
