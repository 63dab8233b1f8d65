"""Create whole files from tables or arrays, for conversion and masks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

Content = TypeVar("Content")
"""A part of what the file is to hold: a record batch, or elements of arrays."""


class WholeWriter(ABC, Generic[Content]):
    """A file being created.

    Attributes:
        names_runs: Whether a mask of this format can hold the text of its run.
    """

    names_runs = False

    def encode(self, content: Content) -> Any:  # noqa: ANN401 - each format has its own
        """Encode a part of the content for `write`; called in worker threads."""
        return content

    @abstractmethod
    def write(self, encoded: Any) -> None:  # noqa: ANN401
        """Write a part of the content."""

    def end_group(self) -> None:
        """End the group of rows that were written last, if the format has groups of rows."""

    def name_run(self, text: str) -> None:
        """Record the text that names a mask's run; only if `names_runs`."""
        raise AssertionError(text)

    def finish(self) -> None:
        """Complete the file."""

    def close(self) -> None:
        """Close what is open, also after a failure."""


def write_whole(contents: Iterable[Content], writer: WholeWriter[Content]) -> None:
    """Write all of the content, and complete the file."""
    try:
        for content in contents:
            writer.write(writer.encode(content))
        writer.finish()
    finally:
        writer.close()
