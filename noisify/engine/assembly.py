"""Where the parts of outputs are written, and how they become whole."""

from __future__ import annotations

import os
from collections import deque
from contextlib import contextmanager
from itertools import accumulate, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from noisify.core.errors import NoisifyError
from noisify.engine.part_work import copy_part, join_parts
from noisify.files.folder_output import walk
from noisify.files.temporary import register, remove_folder
from noisify.files.whole_output import PartOfFile, PartOfFolder, PartToJoin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import ExitStack

    from noisify.engine.cut_input import CutInput
    from noisify.engine.job import OutputRequest
    from noisify.files.output import Output


class Assembly:
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
        opened: CutInput,
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
                deque(tasks.map(join_parts, [(job, paths, whole)]), maxlen=0)
            elif self.output is PartToJoin:
                starts = accumulate((path.stat().st_size for path in paths), initial=0)
                copies = zip(paths, repeat(whole), starts, strict=False)
                deque(tasks.map(copy_part, copies), maxlen=0)

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
