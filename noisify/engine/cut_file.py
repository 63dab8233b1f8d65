"""Make the outputs of one large file in parts, which other processes work on.

A part is a shard of the file (see `Settings.share`) whose place and statistics are known, so that
no part reads the whole:

    scan      each process looks for record starts in a range of the bytes, where a format needs it
    survey    each collects statistics of its part, in passes; this process merges them
    parts     each makes the outputs of its part
    join      the files of the parts are joined, unless each part was written to its place

What a process does may be done twice, also at the same time. This process makes the output under a
temporary name and gives it its name at the end.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections import deque
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import accumulate, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from noisify.core.errors import NoisifyError
from noisify.core.share import WHOLE, Share
from noisify.core.urls import is_url
from noisify.engine.batch import FileJob, FileResult, as_failure
from noisify.engine.counts import FieldReport
from noisify.engine.job import make_all, passes_for
from noisify.engine.open_input import Known, OpenInput, Settings
from noisify.engine.report import RunReport
from noisify.engine.targets import check_output, open_target, shown_name
from noisify.engine.unchanged import check_named
from noisify.files import codecs
from noisify.files.folder_output import walk
from noisify.files.output import Outputs
from noisify.files.temporary import register, remove_folder
from noisify.files.whole_output import PartOfFile, PartOfFolder, PartToJoin
from noisify.noise import registry
from noisify.noise.rows import RowModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from noisify.core.chunk import Field
    from noisify.engine.job import OutputRequest
    from noisify.engine.record_keys import KeyTally
    from noisify.engine.survey import Surveys
    from noisify.files.output import Output
    from noisify.plan.plan import Plan

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


def process_in_parts(
    one: FileJob, settings: Settings, part_bytes: int, tasks: Tasks
) -> FileResult | None:
    """Make the outputs of a file in parts; return None if it has to be made as a whole.

    Args:
        one: The file and its outputs; `may_be_cut`.
        settings: The settings of a whole file.
        part_bytes: The size of a part.
        tasks: Works on the parts.
    """
    most = -(-_size(one.path) // part_bytes)
    notes: list[str] = []
    settings = replace(
        settings,
        note=notes.append,
        share=Share(1, most),
    )
    try:
        opened = _CutInput(one, settings, tasks)
    except NoisifyError:  # the same happens, and is told, when it is made as a whole
        return None
    try:
        with opened, Outputs() as outputs:
            count = opened.parts(most)
            if count <= 1:
                return None
            opened.count = count
            try:
                reports = _make(one, opened, settings, outputs)
            except (NoisifyError, OSError):
                opened.input.check_unchanged()  # a change may be why it failed
                raise
            opened.input.check_unchanged()
            opened.tell()
    except (NoisifyError, OSError, MemoryError) as error:
        return FileResult(one.path, (), notes, as_failure(error, one.path))
    return FileResult(one.path, reports, notes)


def _size(path: str) -> int:
    """Return the bytes of a file, or of the files of a folder; 0 for anything else."""
    if is_url(path):
        return 0
    place = Path(path)
    try:
        if place.is_dir():
            return sum(found.stat().st_size for found in walk(place) if found.is_file())
        return place.stat().st_size if place.is_file() else 0
    except OSError:  # reported when it is opened
        return 0


def may_be_cut(one: FileJob, settings: Settings, part_bytes: int) -> bool:
    """Return whether a file is large, and might be cut as far as names and options tell."""
    if settings.share is not None or not all(map(_takes_parts, one.wanted)):
        return False
    return _size(one.path) > part_bytes


def _takes_parts(wanted: OutputRequest) -> bool:
    """Return whether an output may be made in parts, as far as its name and options tell."""
    target = wanted.target
    if is_url(target) or codecs.of_name(target) is not None or wanted.request.rng != "noisify":
        return False
    place = Path(target)
    special = place.exists() and not place.is_file() and not place.is_dir()
    return not special and wanted.mask is None and not wanted.appended


class _CutInput(OpenInput):
    """A file that is read in parts by other processes.

    Args:
        one: The file and its outputs.
        settings: The settings.
        tasks: Works on the parts.

    Attributes:
        count: The number of parts.
    """

    def __init__(self, one: FileJob, settings: Settings, tasks: Tasks) -> None:
        self._one = one
        self._scanned: Sequence[Any] | None = None
        self.tasks = tasks
        self.count = 1
        targets = [wanted.target for wanted in one.wanted]
        super().__init__(one.path, settings, targets, later_passes=1)

    def parts(self, most: int) -> int:
        """Return into how many parts the file is cut, up to `most`."""
        models = (spec.model for each in self._one.wanted for spec in each.request.specs)
        changes_rows = any(issubclass(registry.find(model).load(), RowModel) for model in models)
        if self.codec is not None or (changes_rows and self.source.row_elements is not None):
            return 1
        cutting = self.format.load().cutting
        return 1 if cutting is None else cutting.most(self.source, most)

    def bounds(self, halo: int) -> Sequence[Any]:
        """Return where each part is, with that many elements on either side."""
        cutting, unknown = self.cutting, [None] * self.count
        if cutting.bounds is None:
            return unknown
        if self._scanned is None:
            jobs = self.part_jobs(unknown)
            self._scanned = list(self.tasks.map(_scan, jobs)) if cutting.scan else unknown
        return cutting.bounds(self.source, self._scanned, halo)

    def part_jobs(
        self,
        bounds: Sequence[Any],
        output: Callable[..., Output] | None = None,
        wanted: Sequence[Sequence[OutputRequest]] = (),
    ) -> list[PartJob]:
        """Return a job for each part.

        Args:
            bounds: Where each part is.
            output: Opens the outputs of a part.
            wanted: The outputs of each part.
        """
        alone = replace(
            self._settings, jobs=1, note=_nothing, progress=_nothing, passes=_nothing,
            unsynced=None, clobber=True,
        )  # fmt: skip
        jobs = []
        for at, bound in enumerate(bounds):
            share = Share(at + 1, self.count)
            known = Known(self.surveyed, bound, output)
            settings = replace(alone, share=share, known=known)
            jobs.append(PartJob(self._one.path, settings, wanted[at] if wanted else ()))
        return jobs

    def survey_pass(self, surveys: Surveys) -> None:
        """Read all parts once to collect statistics."""
        jobs = self.part_jobs(self.bounds(halo=0))
        start = copy.deepcopy(surveys)  # some parts start when others have been added
        for found in self.tasks.map(_survey, zip(jobs, repeat(start), strict=False)):
            surveys += found
            self._settings.progress(self.part_bytes(surveys.fields))

    def part_bytes(self, fields: Iterable[Field]) -> int:
        """Return how many bytes progress counts for a pass over fields of a part."""
        return (self.bytes_of(fields) or self._one.size or 0) // self.count


def _make(one: FileJob, opened: _CutInput, settings: Settings, outputs: Outputs) -> list[RunReport]:
    """Plan and make all outputs; closing `outputs` commits them."""
    for wanted in one.wanted:
        check_output(opened, wanted.target, settings)
    plans = [opened.plan(wanted.request) for wanted in one.wanted]
    wholes = [
        outputs.open(open_target(opened, wanted.target, settings, [one.path]))
        for wanted in one.wanted
    ]
    with ExitStack() as kept:
        bounds = opened.bounds(max(plan.halo for plan in plans))
        first = opened.cutting.cut(opened.source, Share(1, opened.count), 1, bounds[0])
        assembly = _Assembly(opened, one.wanted, wholes, first.place, kept)
        jobs = opened.part_jobs(bounds, assembly.output, assembly.parts)
        fields = [{field.name: FieldReport() for field in plan.noised} for plan in plans]
        every = {field.name: field for plan in plans for field in plan.fields}.values()
        settings.passes(opened.passes_left(), opened.bytes_of(every))
        with assembly.naming():
            for done in opened.tasks.map(_make_part, jobs):
                _add(opened, fields, done)
                settings.progress(opened.part_bytes(every))
            assembly.join()
    for note in () if opened.keys is None else opened.keys.notes():
        settings.note(note)
    return [
        _report(opened, wanted, plan, found)
        for wanted, plan, found in zip(one.wanted, plans, fields, strict=True)
    ]


def _add(opened: _CutInput, fields: list[dict[str, FieldReport]], done: PartResult) -> None:
    """Add what was found in a part to what was found in those before it."""
    for found, more in zip(fields, done.fields, strict=True):
        for name, report in more.items():
            found[name].merge(report)
    opened.source.ragged_elsewhere += done.ragged
    if opened.keys is None:
        opened.keys = done.keys
    elif done.keys is not None:
        opened.keys += done.keys


def _report(
    opened: _CutInput, wanted: OutputRequest, plan: Plan, found: dict[str, FieldReport]
) -> RunReport:
    check_named(plan, found)
    name = shown_name(wanted.target)
    return RunReport(opened.input.name, name, opened.format.name, plan, found)


class _Assembly:
    """Where the parts of the outputs are written, and how they become whole.

    Args:
        opened: The input.
        wanted: The outputs.
        wholes: The outputs, open.
        place: The offset of the first part in the whole output, or None if not known.
        kept: Removes what is temporary.

    Attributes:
        output: Opens the output of a part.
        parts: For each part, its outputs.
    """

    def __init__(
        self,
        opened: _CutInput,
        wanted: Sequence[OutputRequest],
        wholes: Sequence[Output],
        place: int | None,
        kept: ExitStack,
    ) -> None:
        self._opened = opened
        self._places = [whole.local_path() for whole in wholes]
        self._shown = {place: whole.name for place, whole in zip(self._places, wholes, strict=True)}
        self.output: Callable[..., Output] = PartToJoin
        if opened.input.is_folder:
            self.output = PartOfFolder
        elif place is not None:
            self.output = PartOfFile
        paths: Sequence[Sequence[Path]] = [self._places] * opened.count
        if self.output is PartToJoin:
            files = [self._new_files(whole, kept) for whole in self._places]
            paths = list(zip(*files, strict=True))
        self.parts = [
            [one._replace(target=path) for one, path in zip(wanted, some, strict=True)]
            for some in paths
        ]

    def _new_files(self, whole: Path, kept: ExitStack) -> list[Path]:
        """Make a folder for the parts of a file; return the paths of these."""
        folder = register(whole.with_name(f"{whole.name}.parts"))
        kept.callback(remove_folder, folder)
        folder.mkdir()
        self._shown[folder] = self._shown[whole]
        return [folder / f"part-{number:05}" for number in range(self._opened.count)]

    def join(self) -> None:
        """Make the outputs whole."""
        opened, tasks = self._opened, self._opened.tasks
        for number, whole in enumerate(self._places):
            paths = [Path(part[number].target) for part in self.parts]
            if self.output is PartOfFolder:
                _remove_others(whole, opened.input.path)
            elif self.output is PartToJoin and opened.cutting.join:
                job = opened.part_jobs([None])[0]
                deque(tasks.map(_join, [(job, paths, whole)]), maxlen=0)
            elif self.output is PartToJoin:
                starts = accumulate((path.stat().st_size for path in paths), initial=0)
                copies = zip(paths, repeat(whole), starts, strict=False)
                deque(tasks.map(_copy, copies), maxlen=0)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Give the outputs their names in errors.

        Raises:
            NoisifyError: The error, with the name.
        """
        try:
            yield
        except NoisifyError as error:
            for place, name in self._shown.items():
                if error.path is not None and Path(error.path).is_relative_to(place):
                    inside = Path(error.path).relative_to(place)
                    error.path = Path(name) / inside if self.output is PartOfFolder else name
            raise


def _remove_others(folder: Path, source: Path | None) -> None:
    """Remove what a process that was killed has left in a copy of a folder."""
    for path in list(walk(folder)):
        if source is not None and not os.path.lexists(source / path.relative_to(folder)):
            path.unlink()


def _scan(job: PartJob) -> object:
    """Look for places to cut a file in one of its parts; runs in another process."""
    with OpenInput(job.path, job.settings) as opened:
        scan = opened.cutting.scan
        return None if scan is None else scan(opened.source, job.settings.share or WHOLE)


def _survey(job: tuple[PartJob, Surveys]) -> Surveys:
    """Collect statistics of a part; runs in another process."""
    part, surveys = job
    surveys = copy.deepcopy(surveys)  # it may be tried again
    with OpenInput(part.path, part.settings) as opened:
        _, size = opened.workers_and_chunks()
        one = opened.part(())
        surveys.read(opened.source, jobs=1, size=size, progress=_nothing, part=one)
    return surveys


def _make_part(job: PartJob) -> PartResult:
    """Make the outputs of a part; runs in another process."""
    passes = passes_for(len(job.wanted))
    targets = [one.target for one in job.wanted]
    with Outputs() as outputs, OpenInput(job.path, job.settings, targets, passes) as opened:
        reports = make_all(job.path, opened, job.wanted, passes, job.settings, outputs)
        opened.input.check_unchanged()
        part = opened.part(())
        ragged = 0 if part is None else part.ragged()
        return PartResult([report.fields for report in reports], ragged, opened.keys)


def _join(job: tuple[PartJob, Sequence[Path], Path]) -> None:
    """Write one file from those of its parts; runs in another process."""
    part, paths, whole = job
    with OpenInput(part.path, part.settings) as opened, PartOfFile(whole, 0, None) as output:
        if opened.cutting.join is not None:
            opened.cutting.join(opened.source, paths, output)


def _copy(job: tuple[Path, Path, int]) -> None:
    """Copy a file to its place in another one; runs in another process."""
    path, whole, place = job
    with path.open("rb", buffering=0) as file, PartOfFile(whole, place, None) as output:
        shutil.copyfileobj(file, output.file, _COPIED_AT_ONCE)


def _nothing(*_: object) -> None:
    """Do nothing."""
