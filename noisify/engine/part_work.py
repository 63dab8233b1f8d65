"""Functions that other processes run on parts of a large file; each may run more than once."""

from __future__ import annotations

import copy
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from noisify.core.errors import NoisifyError
from noisify.core.share import WHOLE, Share
from noisify.core.urls import redacted
from noisify.engine.job import make_all, passes_for
from noisify.engine.open_input import OpenInput
from noisify.files.output import Outputs
from noisify.files.temporary import new_temporary_folder
from noisify.files.whole_output import PartOfFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from noisify.engine.counts import FieldReport
    from noisify.engine.job import OutputRequest
    from noisify.engine.open_input import Settings
    from noisify.engine.record_keys import KeyTally
    from noisify.engine.survey import Surveys
    from noisify.files.multipart import PartUpload, Sent
    from noisify.formats.interface import Joining

Item = TypeVar("Item")
Result = TypeVar("Result")
_COPIED_AT_ONCE = 1 << 20


class Tasks(Protocol):
    """Carries out work in other processes."""

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield work(item) for each item, in order."""


class PartTarget(NamedTuple):
    """Where to upload the file of a part, and how it is joined with others if not by its bytes."""

    upload: PartUpload
    joining: Joining | None


class SentPart(NamedTuple):
    """What was uploaded of the file of a part.

    Attributes:
        sent: The upload of its data.
        unchanged: Whether nothing in the part was changed, as far as its format tells.
        stop: Where in the file its data end.
        end: The bytes after them, which are not uploaded.
    """

    sent: Sent
    unchanged: bool
    stop: int
    end: bytes


class PartJob(NamedTuple):
    """A part of a file, and the outputs to make of it.

    Attributes:
        path: The file.
        settings: The settings; they say which part.
        wanted: The outputs of the part.
        uploads: How outputs and masks by URL are sent, by their URLs.
    """

    path: str
    settings: Settings
    wanted: Sequence[OutputRequest]
    uploads: Mapping[str, PartTarget]


class PartResult(NamedTuple):
    """The counts that a worker returns for a part whose outputs it made.

    Attributes:
        fields: For each output the effects of noise, by field.
        ragged: The number of rows that were too short or too long.
        keys: What was found about the keys of rows, or None without a key.
        sent: What was uploaded, by URL.
    """

    fields: list[dict[str, FieldReport]]
    ragged: int
    keys: KeyTally | None
    sent: Mapping[str, SentPart]


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
    with _local_files(job.uploads) as local:
        wanted = [
            one._replace(
                target=local.get(str(one.target), one.target),
                mask=local.get(str(one.mask), one.mask),
            )
            for one in job.wanted
        ]
        targets = [one.target for one in wanted]
        with OpenInput(job.path, job.settings, targets, passes) as opened:
            with Outputs() as outputs:
                reports = make_all(opened, wanted, outputs)
                opened.input.check_unchanged()
            part = opened.part(())
            ragged = 0 if part is None else part.ragged()
            share = job.settings.share or WHOLE
            sent = {url: _sent(opened, share, to, local[url]) for url, to in job.uploads.items()}
            return PartResult([report.fields for report in reports], ragged, opened.keys, sent)


@contextmanager
def _local_files(uploads: Iterable[str]) -> Iterator[dict[str, Path]]:
    """Name temporary files for outputs by URL; remove them at the end.

    Raises:
        NoisifyError: If making one fails, with the URL as the name.
    """
    with new_temporary_folder() as folder:
        local = {url: folder / f"{at}{Path(url).suffix}" for at, url in enumerate(uploads)}
        try:
            yield local
        except NoisifyError as error:
            for url, path in local.items():
                if str(error.path) == str(path):
                    where = f"(made in {folder.parent} first; TMPDIR can name another folder)"
                    error.path = f"{redacted(url)} {where}"
            raise


def _sent(opened: OpenInput, share: Share, target: PartTarget, path: Path) -> SentPart:
    """Upload the file of a part."""
    size = path.stat().st_size
    data = range(size)
    if target.joining is not None:
        data = target.joining.data(opened.source, share, path)
    with path.open("rb") as file:
        file.seek(data.start)
        sent = target.upload.send(file, len(data))
        file.seek(data.stop)
        return SentPart(sent, not size, data.stop, file.read())


def send_input(job: tuple[PartJob, PartUpload]) -> Sent:
    """Upload the input as it is; runs in another process."""
    part, upload = job
    with OpenInput(part.path, part.settings) as opened, opened.input.open() as file:
        return upload.send(file, opened.input.size or 0)


def join_parts(job: tuple[PartJob, Joining, Sequence[Path], Path]) -> None:
    """Write one file from those of its parts; runs in another process."""
    part, joining, paths, whole = job
    with OpenInput(part.path, part.settings) as opened, PartOfFile(whole, 0, None) as output:
        joining.join(opened.source, paths, output)


def copy_part(job: tuple[Path, Path, int]) -> None:
    """Copy a file to its place in another one; runs in another process."""
    path, whole, place = job
    with path.open("rb", buffering=0) as file, PartOfFile(whole, place, None) as output:
        shutil.copyfileobj(file, output.file, _COPIED_AT_ONCE)


def nothing(*_: object) -> None:
    """Do nothing."""
