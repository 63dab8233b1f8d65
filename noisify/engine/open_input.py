"""An input from its recognition to its plan."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Self

from noisify.core.errors import UsageError
from noisify.core.memory_bound import UNBOUNDED, MemoryBound
from noisify.core.value_class import frozen
from noisify.engine import convert, loop, survey
from noisify.engine.numpy_streams import check_streams
from noisify.files.input import Input
from noisify.formats.detect import recognise
from noisify.formats.interface import CUT, no_rows, not_cut
from noisify.formats.numpy_fields import check_condition
from noisify.formats.read_options import ReadOptions, declared
from noisify.plan.plan import Plan, Request
from noisify.plan.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from noisify import formats
    from noisify.core.chunk import Field
    from noisify.core.share import Share
    from noisify.engine.record_keys import KeyTally
    from noisify.files.output import Output
    from noisify.formats.interface import Cutting, Part, Source
    from noisify.statistics.survey import FieldStatistics


@frozen
class Known:
    """Facts about a whole input that are known before a part of it is processed.

    Attributes:
        statistics: Statistics of its fields, by what was asked for.
        bounds: Where the part is, in the terms of its format, or None if not known.
        output: Opens an output of the part, given its path, the part's place in it, and the
            input's path, or None to write the output as for a whole input.
    """

    statistics: dict[object, Mapping[str, FieldStatistics]] = field(default_factory=dict)
    bounds: Any = None
    output: Callable[[Any, int | None, Any], Output] | None = None


@frozen
class Settings:
    """The settings of a run that do not change the noise.

    Attributes:
        read: How to read files that do not describe themselves.
        from_format: The input's format; by default, by its suffix or first bytes.
        to_format: The output's format; by default, by the output's suffix, else the input's.
        in_place: Whether the output may be the input.
        clobber: Whether an existing output may be replaced.
        jobs: Worker threads.
        chunk_bytes: Bytes in a chunk.
        memory: How much memory the process may take.
        compress_level: The level for outputs that are compressed; by default, the codec's.
        measure: Whether to measure what noise did, beyond counting.
        note: Receives notes for the user, a line at a time.
        progress: Receives the bytes of each chunk done.
        passes: Called before each pass over an input with the number of passes still to come and
            the bytes that the pass counts; 0 stands for the size of the file.
        share: The part of the input to work on, or None for all of it.
        known: What is known of the whole input.
        unsynced: Takes the folders of new files, for the caller to sync; else each is synced.
        resolver: Plans the noise; files with the same fields share a plan.
    """

    read: ReadOptions = field(default_factory=ReadOptions)
    from_format: str | None = None
    to_format: str | None = None
    in_place: bool = False
    clobber: bool = True
    jobs: int = 1
    chunk_bytes: int = loop.CHUNK_BYTES
    memory: MemoryBound = UNBOUNDED
    compress_level: int | None = None
    measure: bool = False
    note: Callable[[str], None] = lambda _: None
    progress: Callable[[int], None] = lambda _: None
    passes: Callable[[int, int], None] = lambda *_: None
    share: Share | None = None
    known: Known = field(default_factory=Known)
    unsynced: set[Path] | None = None
    resolver: Resolver = field(default_factory=Resolver)


class OpenInput:
    """An input that has been recognised and opened; it is spooled when it must be read again.

    Args:
        path: The input's path, or `-`.
        settings: How to read it.
        outputs: What will be written; an input of another format is converted first.
        later_passes: How often it will be read once it is planned.

    Attributes:
        given: The path as it was given.
        settings: How to read it.
        later_passes: How often it will still be read.
        surveyed: Statistics of fields, by what was asked for.
        keys: What a pass over it found about the keys of its rows.
    """

    def __init__(
        self,
        path: str | Path,
        settings: Settings,
        outputs: Sequence[str | Path] = (),
        later_passes: int = 0,
    ) -> None:
        self.given = path
        self.input = Input(path)
        self.input.memory = settings.memory
        self.codec = self.input.codec
        self.settings = settings
        self.surveyed: dict[object, Mapping[str, FieldStatistics]] = {}
        self.surveyed |= settings.known.statistics
        self.keys: KeyTally | None = None
        self._told: set[str] = set()
        self.later_passes = later_passes
        self._hints: Sequence[str] | None = None
        try:
            if self.input.is_kept:
                settings.note(
                    f"{self.input.name} is kept in a temporary file, since a ZIP archive is read "
                    "from its end"
                )
            self.format = recognise(self.input, settings.from_format)
            _check_text_options(settings.read, self.format)
            read = self._convert(convert.wanted_format(self.format, outputs, settings.to_format))
            downloaded = self.input.is_remote and not self.format.in_ranges
            if self.format.seeks and (self.input.path is None or downloaded):
                self._keep(f"{self.format.title} is not read from start to end")
            self.source: Source[Any] = self.format.load().open_source(self.input, read)
            if self._hints is None:  # a source that guesses has hints on its guesses
                self._hints = self.source.hints
        except BaseException:  # a signal too must not leave the temporary file
            self.input.close()
            raise

    def _convert(self, wanted: formats.FormatEntry) -> ReadOptions:
        """Convert the input to the wanted format; return the options for reading the result."""
        read = self.settings.read
        if wanted is self.format:
            return read
        if self.settings.share is not None:
            raise UsageError(
                f"a part of {self.format.title} is written as {self.format.title}, not as "
                f"{wanted.title}; convert the whole first"
            )
        if self.input.is_remote and not self.input.is_folder:
            self._keep("it is converted")
        if self.input.is_folder and self.format.shape == "table":
            raise UsageError(f"a folder is written as a folder of {self.format.title} files")
        self.input = converted = convert.convert(self.input, self.format, wanted, read)
        converted.memory = self.settings.memory
        converted.memory.check()
        self._hints = converted.hints
        if wanted.module == self.format.module:
            read = replace(read, delimiter="\t" if wanted.name == "tsv" else ",")
        else:
            read = ReadOptions(
                delimiter="\t" if wanted.name == "tsv" else ",",
                escape="",
                strict=read.strict,
                keep_decimals=read.keep_decimals,
            )
        self.format = wanted
        return read

    def bytes_of(self, fields: Iterable[Field]) -> int:
        """Return how many bytes progress counts in a pass over fields; 0: the file's size."""
        if not self.format.counts_elements:
            return 0
        sizes = [
            (self.source.length(field) or 0) * (field.number.dtype.itemsize if field.number else 1)
            for field in fields
        ]
        return sum(sizes)

    def passes_left(self) -> int:
        """Return how many passes are still to come, and count one of them as begun."""
        self.later_passes -= 1
        return self.later_passes + 1

    def spool(self, reason: str) -> None:
        """Make sure that the input can be read more than once."""
        if not self.input.is_rereadable:
            self._keep(reason)

    def _keep(self, reason: str) -> None:
        self.settings.note(f"{self.input.name} is kept in a temporary file, since {reason}")
        self.input.download()

    def plan(self, request: Request) -> Plan:
        """Settle a request for this input."""
        bare = self.format.shape == "table" and not self.source.fields
        if self.source.empty or bare:
            nothing = "columns" if bare else "rows"
            self.settings.note(f"{self.input.name} has no {nothing}; it passes through as it is")
            if not any(spec.columns for spec in request.specs):
                return Plan((), request.seed, request.rng, file=request.file)
        try:
            plan = self.settings.resolver.resolve(
                request, self.source.fields, self._survey, self.source.series_shape
            )
        except UsageError as error:
            raise error.because(self._hints or ()) from None
        check_streams(plan)
        if self.source.reads_conditions:
            names = {name for where in plan.conditions() for name in where.fields}
            check_condition(self.source.fields_called(names))
        has_rows = self.format.shape == "table" or self.source.row_elements is not None
        if plan.row_steps and not has_rows:
            raise no_rows()
        if plan.rng != "noisify" and len(plan.steps) > 1:
            self.spool(f"--rng {plan.rng} draws one field after the other")
        if not plan.steps:
            self.settings.note(
                f"no field of {self.input.name} that is chosen and not excluded holds numbers; "
                "it passes through as it is"
            )
        self.tell()
        for note in plan.notes:
            self.settings.note(note)
        return plan

    def part(self, plans: Sequence[Plan]) -> Part[Any] | None:
        """Return the part of the input that the settings ask for, or None for all of it.

        Raises:
            UsageError: If the input cannot be cut, or a plan needs the whole input.
        """
        share = self.settings.share
        if share is None:
            return None
        if self.codec is not None:
            raise not_cut(f"is compressed ({self.codec.name})")
        if self.input.path is None or self.input.is_standard_input:
            raise not_cut("is not a file")
        for plan in plans:
            if plan.rng != "noisify":
                raise UsageError(f"--rng {plan.rng} draws in file order; --shard needs rng noisify")
            if plan.row_steps and self.source.row_elements is not None:
                raise UsageError(
                    f"{plan.row_steps[0].model.name} changes the length that the start of "
                    f"{self.format.title} files says; it does not go with --shard"
                )
        bounds = self.settings.known.bounds
        return self.cutting.cut(self.source, share, self.settings.jobs, bounds)

    @property
    def cutting(self) -> Cutting[Any]:
        """The functions that cut files of the format into parts.

        Raises:
            UsageError: If the format's files cannot be cut.
        """
        cutting = self.format.load().cutting
        if cutting is None:
            raise not_cut(f"is {self.format.a_file}: only {CUT} files are")
        return cutting

    def tell(self) -> None:
        """Say what the user should know of the source, as far as it has been read."""
        hints = [f"{self.input.name}: {hint}" for hint in self._hints or ()]
        for note in (*hints, *self.source.notes, *self.source.notes_of_reading()):
            if note not in self._told:
                self.settings.note(note)
                self._told.add(note)

    def _survey(self, needs: Mapping[Field, frozenset[str]]) -> Mapping[str, FieldStatistics]:
        key = tuple(sorted((field.name, tuple(sorted(need))) for field, need in needs.items()))
        if key not in self.surveyed:
            self.spool("the noise level depends on all of it; an absolute level (-s 0.5) streams")
            self.surveyed[key] = survey.in_passes(
                needs,
                self.survey_pass,
                lambda count: self.settings.passes(count + self.later_passes, self.bytes_of(needs)),
            )
        return self.surveyed[key]

    def survey_pass(self, surveys: survey.Surveys) -> None:
        """Read the input once to collect statistics."""
        jobs, size = self.workers_and_chunks()
        surveys.read(self.source, jobs=jobs, size=size, progress=self.settings.progress)

    def workers_and_chunks(self, outputs: int = 1) -> tuple[int, int]:
        """Return how many workers, and chunks of how many bytes, there is memory for."""
        settings = self.settings
        return settings.memory.fit(settings.jobs, settings.chunk_bytes, outputs)

    def preview(self, plan: Plan, rows: int) -> loop.Preview:
        """Return some noisy columns of each field with noise, and what noise did to it there."""
        _, size = self.workers_and_chunks()
        return loop.preview(self.source, plan, rows, size)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the source and its input; a failure to close what was read loses nothing."""
        try:
            with suppress(OSError):
                self.source.close()
        finally:
            self.input.close()


def _check_text_options(read: ReadOptions, entry: formats.FormatEntry) -> None:
    """Refuse options for reading text with a format that is not text."""
    if entry.module == "csv.format":
        return
    for name, how in declared().items():
        if how.flag and name != "strict" and getattr(read, name) != how.default:
            raise UsageError(
                f"{how.flag} says how CSV and TSV are read, and this is {entry.title}; leave it out"
            )
