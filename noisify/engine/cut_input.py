"""A large file that other processes read in parts."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

from noisify.core.share import Share
from noisify.core.urls import is_url
from noisify.engine.open_input import Known, OpenInput
from noisify.engine.part_work import PartJob, nothing, scan_part, survey_part
from noisify.engine.targets import mask_format
from noisify.files.folder_input import has_links
from noisify.files.multipart import can_share
from noisify.formats.mask import is_joined_from_files
from noisify.noise import registry
from noisify.noise.rows import RowModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from noisify.core.chunk import Field
    from noisify.engine.batch import FileJob
    from noisify.engine.job import OutputRequest
    from noisify.engine.open_input import Settings
    from noisify.engine.part_work import Tasks
    from noisify.engine.survey import Surveys
    from noisify.files.multipart import PartSizes
    from noisify.files.output import Output


class CutInput(OpenInput):
    """A file that is read in parts by other processes.

    Args:
        one: The file and its outputs.
        settings: The settings.
        tasks: Works on the parts.
        part_sizes: The sizes of the parts of uploads.

    Attributes:
        count: The number of parts.
    """

    def __init__(
        self, one: FileJob, settings: Settings, tasks: Tasks, part_sizes: PartSizes
    ) -> None:
        self._one = one
        self._scanned: Sequence[Any] | None = None
        self.tasks = tasks
        self.part_sizes = part_sizes
        self.count = 1
        targets = [wanted.target for wanted in one.wanted]
        super().__init__(one.path, settings, targets, later_passes=1)

    def parts(self, most: int) -> int:
        """Return into how many parts the file is cut, up to `most`."""
        models = (spec.model for each in self._one.wanted for spec in each.request.specs)
        changes_rows = any(issubclass(registry.find(model).load(), RowModel) for model in models)
        if self.codec is not None or (changes_rows and self.source.row_elements is not None):
            return 1
        if is_url(self._one.path) and not self.input.is_remote:  # it was downloaded
            return 1
        for each in self._one.wanted:
            if is_url(each.target) and not self._takes_parts(str(each.target)):
                return 1
            if each.mask is not None and (changes_rows or not self._takes_mask(each)):
                return 1
        cutting = self.format.load().cutting
        return 1 if cutting is None else cutting.most(self.source, most)

    def _takes_parts(self, url: str) -> bool:
        """Return whether several processes can make an output by URL, in files or in parts."""
        if self.input.is_folder:
            return not has_links(self.input.path)  # they may lead to files of other parts
        return can_share(url)

    def _takes_mask(self, wanted: OutputRequest) -> bool:
        """Return whether several processes can make a mask; values are too much to be returned."""
        mask = str(wanted.mask)
        if not is_url(mask):
            return True
        if is_joined_from_files(self.format, mask_format(self, mask)):
            return can_share(mask)
        return not wanted.mask_values

    def bounds(self, halo: int) -> Sequence[Any]:
        """Return where each part is, extended by `halo` elements on either side."""
        cutting, unknown = self.cutting, [None] * self.count
        if cutting.bounds is None:
            return unknown
        if self._scanned is None:
            jobs = self.part_jobs(unknown)
            self._scanned = list(self.tasks.map(scan_part, jobs)) if cutting.scan else unknown
        return cutting.bounds(self.source, self._scanned, halo)

    def part_jobs(
        self,
        bounds: Sequence[Any],
        output: Callable[..., Output] | None = None,
    ) -> list[PartJob]:
        """Return a job for each part, without outputs.

        Args:
            bounds: Where each part is.
            output: Opens the outputs of a part.
        """
        alone = replace(
            self.settings, jobs=1, note=nothing, progress=nothing, passes=nothing,
            unsynced=None, clobber=True,
        )  # fmt: skip
        jobs = []
        for at, bound in enumerate(bounds):
            share = Share(at + 1, self.count)
            known = Known(self.surveyed, bound, output)
            settings = replace(alone, share=share, known=known)
            jobs.append(PartJob(self._one.path, settings, (), {}))
        return jobs

    def survey_pass(self, surveys: Surveys) -> None:
        """Read all parts once to collect statistics."""
        jobs = self.part_jobs(self.bounds(halo=0))
        start = copy.deepcopy(surveys)  # some parts start when others have been added
        for found in self.tasks.map(survey_part, zip(jobs, repeat(start), strict=False)):
            surveys += found
            self.settings.progress(self.part_bytes(surveys.fields))

    def part_bytes(self, fields: Iterable[Field]) -> int:
        """Return how many bytes progress counts for a pass over fields of a part."""
        return (self.bytes_of(fields) or self._one.size or 0) // self.count
