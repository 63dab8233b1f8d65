"""Place the parts of outputs and masks, and join them into whole outputs."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import ChainMap, deque
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from noisify.core.errors import NoisifyError
from noisify.core.overriding import override
from noisify.core.urls import is_url
from noisify.engine.part_work import (
    PartTarget,
    copy_input,
    copy_part,
    make_part,
    nothing,
    send_input,
    write_from_parts,
)
from noisify.files import multipart
from noisify.files.folder_input import copy_modes
from noisify.files.output import naming
from noisify.files.remote_folder_output import PartOfRemoteFolder, RemoteFolderOutput
from noisify.files.temporary import (
    new_temporary_folder,
    register,
    remove_shared_folder,
    temporary_space,
)
from noisify.files.whole_output import PartOfFile, PartOfFolder, PartToJoin, folder_of_parts
from noisify.files.write_behind import write_all
from noisify.formats.interface import Joining

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import ExitStack

    from noisify.engine.cut_input import CutInput
    from noisify.engine.job import OutputRequest
    from noisify.engine.part_work import PartFile, PartJob, PartResult, Started, WriteWhole
    from noisify.files.multipart import PartUpload, Sent
    from noisify.files.output import Output
    from noisify.files.remote_output import RemoteOutput


class _Whole(ABC):
    """An output or a mask that is made of parts.

    Args:
        opened: The input.
        output: The output, open.
        joining: How the parts' files are joined, or None to concatenate their bytes.
    """

    def __init__(self, opened: CutInput, output: Output, joining: Joining | None) -> None:
        self.opened = opened
        self.output = output
        self.joining = joining

    @abstractmethod
    def target(self, at: int) -> Path | str:
        """Return the name of the output for a part."""

    def joined(self, at: int) -> dict[str, PartTarget]:  # noqa: ARG002 - for those to be joined
        """Return what becomes of the file of a part, by its name, if it is joined with others."""
        return {}

    def add(self, at: int, made: PartResult) -> None:  # noqa: B027 - for those joined on the way
        """Begin to join a part with those before it, which have been added."""

    @abstractmethod
    def join(self, jobs: Sequence[PartJob], done: Sequence[PartResult]) -> None:
        """Join the parts, once all are made and added."""

    def end(self, made: Sequence[PartFile]) -> bytes:
        """Return what follows the data of all parts."""
        if self.joining is None:
            return b""
        with temporary_space("the ends of its parts"), new_temporary_folder() as folder:
            paths = [folder / f"part-{at:05}" for at in range(len(made))]
            for path, one in zip(paths, made, strict=True):
                with path.open("wb") as file:
                    file.seek(one.data.stop)
                    file.write(one.end)
            (end := folder / "end").touch()
            with PartOfFile(end) as output:
                self.joining.end(self.opened.source, paths, output)
            return end.read_bytes()

    def name_in(self, error: NoisifyError) -> None:
        """Replace the temporary place that an error names by the name of the output."""
        for place in map(Path, self.places()):
            if error.path is not None and Path(error.path).is_relative_to(place):
                inside = Path(error.path).relative_to(place)
                folder = self.opened.input.is_folder
                error.path = Path(self.output.name) / inside if folder else self.output.name

    def places(self) -> Sequence[Path]:
        """Return the temporary files and folders on this machine in which it is made."""
        return [self.output.local_path()]


class _InPlace(_Whole):
    """A file whose parts are written to their places."""

    @override
    def target(self, at: int) -> Path:
        return self.output.local_path()

    @override
    def join(self, jobs: Sequence[PartJob], done: Sequence[PartResult]) -> None:
        """Do nothing: all parts are where they belong."""


class _Folder(_InPlace):
    """A folder, into which parts move their files."""

    def __init__(
        self, opened: CutInput, output: Output, joining: Joining | None, kept: ExitStack
    ) -> None:
        super().__init__(opened, output, joining)
        _new_folder(output, kept)

    @override
    def join(self, jobs: Sequence[PartJob], done: Sequence[PartResult]) -> None:
        """Give all that is in it the modes that it has in the input."""
        copy_modes(cast("Path", self.opened.input.path), self.output.local_path())


class _Remote(_Whole):
    """An output by URL, which tasks upload: nothing of it is on this machine.

    Args:
        opened: The input.
        output: The output, open.
        joining: How the parts' files are joined, or None to concatenate their bytes.
        url: The output's name.
    """

    def __init__(self, opened: CutInput, output: Output, joining: Joining | None, url: str) -> None:
        super().__init__(opened, output, joining)
        self.url = url

    @override
    def target(self, at: int) -> str:
        return self.url

    @override
    def places(self) -> Sequence[Path]:
        return ()


class _RemoteFolder(_Remote):
    """A folder by URL, to which each part uploads its files."""

    def __init__(self, opened: CutInput, output: RemoteFolderOutput, url: str, run: bytes) -> None:
        super().__init__(opened, output, None, url)
        self._folder = output
        output.share_out(run)

    @override
    def join(self, jobs: Sequence[PartJob], done: Sequence[PartResult]) -> None:
        """Add the files that describe the others; they are uploaded last."""
        self._folder.add_descriptions(cast("Path", self.opened.input.path))


class _Joined(_Whole):
    """A file whose parts are files of their own before they are copied to their places."""

    def __init__(
        self, opened: CutInput, output: Output, joining: Joining | None, kept: ExitStack
    ) -> None:
        super().__init__(opened, output, joining)
        self._suffix = Path(output.name).suffix
        self._size = 0
        self._copies: deque[Started] = deque()
        self.folder = _new_folder(output, kept)

    @override
    def target(self, at: int) -> Path:
        return self.folder / f"part-{at:05}{self._suffix}"

    @override
    def joined(self, at: int) -> dict[str, PartTarget]:
        return {str(self.target(at)): PartTarget(None, self.joining)}

    @override
    def places(self) -> Sequence[Path]:
        return [self.output.local_path(), self.folder]

    @override
    def add(self, at: int, made: PartResult) -> None:
        one, whole = made.files[str(self.target(at))], self.output.local_path()
        job = one.path, one.data, whole, self._size
        copy = self.opened.tasks.start_first(copy_part, job)
        self._size += len(one.data)
        self._copies.append(copy)
        while self._copies and self._copies[0].done():
            self._copies.popleft().result()

    @override
    def join(self, jobs: Sequence[PartJob], done: Sequence[PartResult]) -> None:
        for copy in self._copies:
            copy.result()
        made = [one.files[str(self.target(at))] for at, one in enumerate(done)]
        whole = self.output.local_path()
        if self.joining is not None and all(one.unchanged for one in made):
            whole.write_bytes(b"")  # its room is for the copy
            self.replace(copy_input)
        elif end := self.end(made):
            with PartOfFile(whole, self._size) as output, naming(output):
                write_all(output.file, end)

    def replace(self, work: Callable[[Any], Path], *given: object) -> None:
        """Replace the file by one that work(...) makes in the folder, in a task."""
        whole = self.output.local_path()
        job = self.opened.part_jobs([None])[0], *given, self.folder, whole
        made = cast("Path", self.opened.tasks.start_first(work, job).result())
        with naming(self.output):
            made.replace(whole)


class _Rewritten(_Joined):
    """A file that one task writes from the files of its parts.

    Args:
        opened: The input.
        output: The output, open.
        write: Writes the file.
        kept: Removes the parts' files.
    """

    def __init__(
        self, opened: CutInput, output: Output, write: WriteWhole, kept: ExitStack
    ) -> None:
        super().__init__(opened, output, None, kept)
        self._write = write

    @override
    def joined(self, at: int) -> dict[str, PartTarget]:
        return {}

    @override
    def add(self, at: int, made: PartResult) -> None:
        """Do nothing before all parts are made."""

    @override
    def join(self, jobs: Sequence[PartJob], done: Sequence[PartResult]) -> None:
        paths = [self.target(at) for at in range(len(jobs))]
        self.replace(write_from_parts, self._write, paths)


def _no_data(*_: object) -> range:
    return range(0)


_RETURNED = Joining(_no_data, nothing)
"""All of such a file follows its data, so its task returns it."""


class _Returned(_Remote):
    """A mask by URL that this process writes from what parts return of it.

    Nothing of it is on a server before it is complete.

    Args:
        opened: The input.
        output: The mask, open.
        write: Writes it.
        url: Its name.
        kept: Removes what parts returned.
    """

    def __init__(
        self, opened: CutInput, output: Output, write: WriteWhole, url: str, kept: ExitStack
    ) -> None:
        super().__init__(opened, output, None, url)
        self._write = write
        self._folder = kept.enter_context(new_temporary_folder())

    def _path(self, at: int) -> Path:
        return self._folder / f"part-{at:05}"

    @override
    def joined(self, at: int) -> dict[str, PartTarget]:
        return {self.url: PartTarget(None, _RETURNED)}

    @override
    def add(self, at: int, made: PartResult) -> None:
        """Write what a part returned to the disk, and free its memory."""
        with temporary_space("a mask"):
            self._path(at).write_bytes(made.files.pop(self.url).end)

    @override
    def join(self, jobs: Sequence[PartJob], done: Sequence[PartResult]) -> None:
        with naming(self.output):
            self._write(self.opened.source, self._paths(len(jobs)), self.output)

    def _paths(self, count: int) -> Iterator[Path]:
        """Yield the paths of what parts returned, until the run is stopped."""
        for at in range(count):
            yield self._path(at)
            self.opened.tasks.check()


def _new_folder(output: Output, kept: ExitStack) -> Path:
    """Make a folder for the parts of an output; closing `kept` removes it."""
    folder = register(folder_of_parts(output.local_path()))
    kept.callback(remove_shared_folder, folder)
    mode = output.local_path().stat().st_mode & 0o777
    folder.mkdir(mode | (mode & 0o444) >> 2)  # who may not read the output may not list its parts
    return folder


class _Uploaded(_Remote):
    """An object on S3, of which tasks upload parts."""

    def __init__(
        self, opened: CutInput, output: RemoteOutput, joining: Joining | None, url: str
    ) -> None:
        super().__init__(opened, output, joining, url)
        self._parts = output.share_out(opened.part_sizes)

    @override
    def joined(self, at: int) -> dict[str, PartTarget]:
        numbers = multipart.numbers_of(at, self.opened.count)
        to = multipart.PartUpload(self._parts.upload, numbers)
        return {self.url: PartTarget(to, self.joining)}

    @override
    def join(self, jobs: Sequence[PartJob], done: Sequence[PartResult]) -> None:
        def run(work: Callable[[Any], Any], item: object) -> Any:  # noqa: ANN401 - of the work
            (found,) = self.opened.tasks.map(work, [item])
            return found

        def again(at: int, upload: PartUpload) -> Sent:
            targets = {**jobs[at].joined, self.url: PartTarget(upload, self.joining)}
            sent: Sent = run(make_part, jobs[at]._replace(joined=targets)).files[self.url].sent
            return sent

        made, shared = [one.files[self.url] for one in done], self._parts.upload
        if self.joining is not None and all(one.unchanged for one in made):
            job = self.opened.part_jobs([None])[0]
            upload = multipart.PartUpload(shared, multipart.numbers_of(0, 1))
            sent, end = [run(send_input, (job, upload))], b""
        else:
            sent, end = [one.sent for one in made], self.end(made)
        self._parts.parts = multipart.arranged(shared, sent, again, end)


class Assembly:
    """Says where each part of the outputs is written, and joins the parts.

    Args:
        opened: The input.
        wanted: The outputs.
        outputs: The outputs, open.
        masks: For each output its open mask and how that is joined, or None without a mask.
        place: The offset of the first part in the whole output, or None if not known.
        kept: Removes what is temporary.

    Attributes:
        output: Opens the output of a part.
    """

    def __init__(
        self,
        opened: CutInput,
        wanted: Sequence[OutputRequest],
        outputs: Sequence[Output],
        masks: Sequence[tuple[Output, Joining | WriteWhole | None] | None],
        place: int | None,
        kept: ExitStack,
    ) -> None:
        self._opened = opened
        self._wanted = wanted
        self._run = os.urandom(16)
        self.output: Callable[..., Output] = PartToJoin
        remote = any(is_url(one.target) for one in wanted)
        if opened.input.is_folder:
            uploading = partial(PartOfRemoteFolder, self._run)
            self.output = uploading if remote else PartOfFolder
        elif place is not None and not remote:
            self.output = PartOfFile
        joining = opened.cutting.joining
        self._outputs = [
            self._whole(one.target, output, joining, kept)
            for one, output in zip(wanted, outputs, strict=True)
        ]
        self._masks = [
            None if mask is None or one.mask is None else self._joined(one.mask, *mask, kept)
            for one, mask in zip(wanted, masks, strict=True)
        ]

    def _whole(
        self, target: Path | str, output: Output, joining: Joining | None, kept: ExitStack
    ) -> _Whole:
        if self.output is PartToJoin:
            return self._joined(target, output, joining, kept)
        if self._opened.input.is_folder and is_url(target):
            folder = cast("RemoteFolderOutput", output)
            return _RemoteFolder(self._opened, folder, str(target), self._run)
        if self._opened.input.is_folder:
            return _Folder(self._opened, output, joining, kept)
        return _InPlace(self._opened, output, joining)

    def _joined(
        self,
        target: Path | str,
        output: Output,
        how: Joining | WriteWhole | None,
        kept: ExitStack,
    ) -> _Whole:
        if how is not None and not isinstance(how, Joining):
            if is_url(target):
                return _Returned(self._opened, output, how, str(target), kept)
            return _Rewritten(self._opened, output, how, kept)
        if is_url(target):
            return _Uploaded(self._opened, cast("RemoteOutput", output), how, str(target))
        return _Joined(self._opened, output, how, kept)

    def with_targets(self, jobs: Sequence[PartJob]) -> list[PartJob]:
        """Give the jobs for parts the names of their outputs."""
        named = []
        for at, job in enumerate(jobs):
            wanted = [
                one._replace(
                    target=output.target(at), mask=None if mask is None else mask.target(at)
                )
                for one, output, mask in zip(self._wanted, self._outputs, self._masks, strict=True)
            ]
            joined = ChainMap(*(whole.joined(at) for whole in self._every()))
            named.append(job._replace(wanted=wanted, joined=dict(joined)))
        return named

    def _every(self) -> Iterator[_Whole]:
        yield from self._outputs
        yield from (mask for mask in self._masks if mask is not None)

    def add(self, at: int, made: PartResult) -> None:
        """Begin to join a part with those before it, which have been added."""
        for whole in self._every():
            whole.add(at, made)

    def join(self, jobs: Sequence[PartJob], done: Sequence[PartResult]) -> None:
        """Make the outputs whole."""
        for whole in self._every():
            whole.join(jobs, done)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Let errors name outputs, not the temporary files in which they are made.

        Raises:
            NoisifyError: The error, with the output's name.
        """
        try:
            yield
        except NoisifyError as error:
            for whole in self._every():
                whole.name_in(error)
            raise
