"""Functions that other processes run on parts of a large file; each may run more than once."""

from __future__ import annotations

import copy
import os
import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

from noisify.core.errors import NoisifyError
from noisify.core.share import WHOLE, Share
from noisify.core.urls import is_url, redacted
from noisify.engine.job import make_all, passes_for
from noisify.engine.open_input import OpenInput
from noisify.files.folder_output import MemberOutput
from noisify.files.multipart import Sent
from noisify.files.output import Outputs, naming
from noisify.files.temporary import new_temporary_folder, remove
from noisify.files.whole_output import PartOfFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from noisify.engine.counts import FieldReport
    from noisify.engine.job import OutputRequest
    from noisify.engine.open_input import Settings
    from noisify.engine.record_keys import KeyTally
    from noisify.engine.survey import Surveys
    from noisify.files.multipart import PartUpload
    from noisify.files.output import Output
    from noisify.formats.interface import Joining, Source

Item = TypeVar("Item")
Result = TypeVar("Result")
WriteWhole: TypeAlias = "Callable[[Source[Any], Iterable[Path], Output], None]"
"""Writes a file from those of its parts, given the input."""


class Started(Protocol):
    """Work that has been started in another process."""

    def done(self) -> bool:
        """Return whether it has ended."""

    def result(self) -> object:
        """Wait for its result, and return it."""


class Tasks(Protocol):
    """Carries out work in other processes."""

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield work(item) for each item, in order."""

    def start_first(self, work: Callable[[Item], Result], item: Item) -> Started:
        """Start work(item), before all that waits."""

    def check(self) -> None:
        """Go on unless the run is stopped.

        Raises:
            NoisifyError: If it is.
        """


class PartTarget(NamedTuple):
    """What becomes of the file of a part.

    Attributes:
        upload: Where to upload it, or None to leave it where it is made.
        joining: How it is joined with others, or None to concatenate their bytes.
    """

    upload: PartUpload | None
    joining: Joining | None


class PartFile(NamedTuple):
    """The file of a part, which is joined with others.

    Attributes:
        path: The file, unless its data were uploaded.
        data: The range of its bytes that the whole file has.
        end: The bytes after them.
        unchanged: Whether nothing in the part was changed, as far as its format tells.
        sent: The upload of the data, if they are uploaded.
    """

    path: Path
    data: range
    end: bytes
    unchanged: bool
    sent: Sent


class PartJob(NamedTuple):
    """A part of a file, and the outputs to make of it.

    Attributes:
        path: The file.
        settings: The settings; they say which part.
        wanted: The outputs of the part.
        joined: The outputs and masks that are joined with those of other parts, by name.
    """

    path: str
    settings: Settings
    wanted: Sequence[OutputRequest]
    joined: Mapping[str, PartTarget]


class PartResult(NamedTuple):
    """The counts that a worker returns for a part whose outputs it made.

    Attributes:
        fields: For each output the effects of noise, by field.
        ragged: The number of rows that were too short or too long.
        keys: What was found about the keys of rows, or None without a key.
        files: The outputs and masks that are to be joined, by name.
    """

    fields: list[dict[str, FieldReport]]
    ragged: int
    keys: KeyTally | None
    files: dict[str, PartFile]


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
    with _own_files(job.joined) as own:
        wanted = [
            one._replace(
                target=own.get(str(one.target), one.target),
                mask=own.get(str(one.mask), one.mask),
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
            files = {
                name: _to_join(opened, share, to, own[name]) for name, to in job.joined.items()
            }
            return PartResult([report.fields for report in reports], ragged, opened.keys, files)


@contextmanager
def _own_files(names: Iterable[str]) -> Iterator[dict[str, Path]]:
    """Name files for outputs that are joined, by the names of these; remove them on failure."""
    names = set(names)
    with ExitStack() as failing, _local_files(filter(is_url, names)) as own:
        for path in map(Path, names - own.keys()):
            own[str(path)] = _new_file(path.parent, path.name)
            failing.callback(remove, own[str(path)])
        yield own
        failing.pop_all()


@contextmanager
def _local_files(uploads: Iterable[str]) -> Iterator[dict[str, Path]]:
    """Name temporary files for outputs by URL; remove them at the end.

    Raises:
        NoisifyError: If making one fails, with the URL as the name.
    """
    urls = list(uploads)
    if not urls:
        yield {}
        return
    with new_temporary_folder() as folder:
        local = {url: folder / f"{at}{Path(url).suffix}" for at, url in enumerate(urls)}
        try:
            yield local
        except NoisifyError as error:
            for url, path in local.items():
                if str(error.path) == str(path):
                    where = f"(made in {folder.parent} first; TMPDIR can name another folder)"
                    error.path = f"{redacted(url)} {where}"
            raise


def _to_join(opened: OpenInput, share: Share, target: PartTarget, path: Path) -> PartFile:
    """Describe the file of a part; upload it if it is to be uploaded."""
    size = path.stat().st_size
    data, sent = range(size), Sent([])
    if target.joining is not None:
        with naming(str(path)):
            data = target.joining.data(opened.source, share, path)
    with path.open("rb") as file:
        if target.upload is not None:
            file.seek(data.start)
            sent = target.upload.send(file, len(data))
        file.seek(data.stop)
        return PartFile(path, data, file.read(), not size, sent)


def send_input(job: tuple[PartJob, PartUpload]) -> Sent:
    """Upload the input as it is; runs in another process."""
    part, upload = job
    with OpenInput(part.path, part.settings) as opened, opened.input.open() as file:
        return upload.send(file, opened.input.size or 0)


def copy_input(job: tuple[PartJob, Path, Path]) -> Path:
    """Copy the input as it is to a new file in a folder; runs in another process.

    The file has the mode of the one that it will replace.
    """
    part, folder, whole = job
    made = _new_file(folder)
    with _replacement(part, made, whole) as (opened, output), opened.input.open() as file:
        shutil.copyfileobj(file, output.file)
    return made


def write_from_parts(job: tuple[PartJob, WriteWhole, Sequence[Path], Path, Path]) -> Path:
    """Write a new file in a folder from those of parts; runs in another process.

    The file has the mode of the one that it will replace.
    """
    part, write, paths, folder, whole = job
    made = _new_file(folder)
    with _replacement(part, made, whole) as (opened, output):
        write(opened.source, paths, output)
    return made


@contextmanager
def _replacement(
    part: PartJob, made: Path, whole: Path
) -> Iterator[tuple[OpenInput, MemberOutput]]:
    """Open the input, and a new file that has the mode of the one it will replace."""
    with (
        OpenInput(part.path, part.settings) as opened,
        MemberOutput(made.parent, Path(made.name), str(whole), whole) as output,
        naming(output),
    ):
        yield opened, output


def _new_file(folder: Path, name: str = "whole") -> Path:
    """Return the path for a file that no other run of a task writes.

    What is joined is then the file of one run. One that is late makes nothing, once the client has
    removed the folder.
    """
    stem, suffix = Path(name).stem, Path(name).suffix
    return folder / f"{stem}-{os.urandom(6).hex()}{suffix}"


def copy_part(job: tuple[Path, range, Path, int]) -> None:
    """Copy a range of a part's file to its place in another one; runs in another process.

    Then the part's file is removed, so that its disk space and memory are free for other parts,
    and an empty file beside it says so. Another run that has it open can read it to its end.

    Raises:
        NoisifyError: If the file is too short.
    """
    path, data, whole, place = job
    done = path.with_suffix(".copied")
    # `whole` is opened first: while the part's file is there, nothing has replaced `whole`
    with PartOfFile(whole, place) as output, naming(output):
        try:
            file = path.open("rb", buffering=0)
        except FileNotFoundError:
            if done.exists():
                return
            raise
        with file:
            file.seek(data.start)
            if output.copy_from(file, len(data)) < len(data):
                raise NoisifyError("a part of it was cut short before it was joined", path=whole)
    with naming(output):
        done.touch()
    remove(path)


def nothing(*_: object) -> None:
    """Do nothing."""
