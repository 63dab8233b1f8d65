"""Files that are written beside the outputs: reports, plots, lists and dependency files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from noisify.files.output import naming, open_output
from noisify.files.write_behind import write_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.engine.report import RunReport
    from noisify.files.codecs import Compression


class SideFile:
    """A file that is committed once all outputs are complete, and discarded after an error.

    Args:
        path: The file.
        clobber: Whether an existing file may be replaced.
        compression: How to compress it, or None.

    Attributes:
        path: The file's path.
    """

    def __init__(self, path: str, *, clobber: bool, compression: Compression | None = None) -> None:
        self.path = path
        self._output = open_output(path, clobber=clobber, compression=compression)

    def __enter__(self) -> Self:
        """Open the file early, so that an unwritable one fails before the work."""
        self._output.__enter__()
        return self

    def add(self, reports: Sequence[RunReport]) -> None:
        """Add the reports of one input, where the file depends on them."""

    def write(self, content: bytes) -> None:
        """Write some bytes to the file."""
        with naming(self.path):
            write_all(self._output.file, content)

    def finish(self) -> None:
        """Write what is left to write after all outputs are complete."""

    def __exit__(self, *error: object) -> None:
        """Finish and commit the file on success, discard it after an error."""
        try:
            if error[0] is None:
                self.finish()
        except BaseException:  # a signal too must not leave a partial file
            self._output.discard()
            raise
        self._output.__exit__(*error)
