"""Work on a part of a large file, which other processes do; what they do may be done twice."""

from __future__ import annotations

import copy
import shutil
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from noisify.core.share import WHOLE
from noisify.engine.job import make_all, passes_for
from noisify.engine.open_input import OpenInput
from noisify.files.output import Outputs
from noisify.files.whole_output import PartOfFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from noisify.engine.counts import FieldReport
    from noisify.engine.job import OutputRequest
    from noisify.engine.open_input import Settings
    from noisify.engine.record_keys import KeyTally
    from noisify.engine.survey import Surveys

Item = TypeVar("Item")
Result = TypeVar("Result")
_COPIED_AT_ONCE = 1 << 23


class Tasks(Protocol):
    """Carries out work in other processes."""

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield work(item) for each item, in order."""


class PartJob(NamedTuple):
    """A part of a file, and the outputs to make of it.

    Attributes:
        path: The file.
        settings: The settings; they say which part.
        wanted: The outputs of the part.
    """

    path: str
    settings: Settings
    wanted: Sequence[OutputRequest]


class PartResult(NamedTuple):
    """The counts that a worker returns for a part whose outputs it made.

    Attributes:
        fields: For each output the effects of noise, by field.
        ragged: The number of rows that were too short or too long.
        keys: What was found about the keys of rows, or None without a key.
    """

    fields: list[dict[str, FieldReport]]
    ragged: int
    keys: KeyTally | None


def scan_part(job: PartJob) -> object:
    """Look for places to cut a file in one of its parts; runs in another process."""
    with OpenInput(job.path, job.settings) as opened:
        scan = opened.cutting.scan
        return None if scan is None else scan(opened.source, job.settings.share or WHOLE)


def survey_part(job: tuple[PartJob, Surveys]) -> Surveys:
    """Collect statistics of a part; runs in another process."""
    part, surveys = job
    surveys = copy.deepcopy(surveys)  # it may be tried again
    with OpenInput(part.path, part.settings) as opened:
        _, size = opened.workers_and_chunks()
        one = opened.part(())
        surveys.read(opened.source, jobs=1, size=size, progress=nothing, part=one)
    return surveys


def make_part(job: PartJob) -> PartResult:
    """Make the outputs of a part; runs in another process."""
    passes = passes_for(len(job.wanted))
    targets = [one.target for one in job.wanted]
    with Outputs() as outputs, OpenInput(job.path, job.settings, targets, passes) as opened:
        reports = make_all(job.path, opened, job.wanted, passes, job.settings, outputs)
        opened.input.check_unchanged()
        part = opened.part(())
        ragged = 0 if part is None else part.ragged()
        return PartResult([report.fields for report in reports], ragged, opened.keys)


def join_parts(job: tuple[PartJob, Sequence[Path], Path]) -> None:
    """Write one file from those of its parts; runs in another process."""
    part, paths, whole = job
    with OpenInput(part.path, part.settings) as opened, PartOfFile(whole, 0, None) as output:
        if opened.cutting.join is not None:
            opened.cutting.join(opened.source, paths, output)


def copy_part(job: tuple[Path, Path, int]) -> None:
    """Copy a file to its place in another one; runs in another process."""
    path, whole, place = job
    with path.open("rb", buffering=0) as file, PartOfFile(whole, place, None) as output:
        shutil.copyfileobj(file, output.file, _COPIED_AT_ONCE)


def nothing(*_: object) -> None:
    """Do nothing."""
