"""Join the files of the parts of a Parquet file, or of its mask."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from noisify.core.overriding import override
from noisify.files.whole_output import PartOfFile
from noisify.formats.interface import Joining
from noisify.formats.mask_run import KEY, ChangedSum, MaskRun
from noisify.formats.parquet.footer import MAGIC, Footer, Span
from noisify.formats.parquet.part import ParquetPart
from noisify.formats.parquet.sink import ParquetSink, PartSink
from noisify.formats.parquet.source import ParquetSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from noisify.core.share import Share
    from noisify.files.output import Output


class _EndSink(ParquetSink):
    """Writes only what follows the row groups, which the output already holds."""

    @override
    def copy(self, span: Span) -> None:
        """Leave out bytes of row groups."""
        self._file.skip(span.size)


def _end(source: ParquetSource, parts: Sequence[Path], output: Output) -> None:
    """Write what follows the row groups of the parts' files, which a `PartSink` made."""
    with closing(_EndSink(source, output, frozenset())) as joined:
        for part in parts:
            joined.add(part)
        joined.finish()


def _data(source: ParquetSource, share: Share, part: Path) -> range:
    """Return where the row groups are in a part's file, in the first part with the magic bytes.

    If no group has changed, the part's file is empty; the groups are then written into it first.
    """
    if not part.stat().st_size:
        with (
            PartOfFile(part) as output,
            closing(PartSink(source, output, frozenset())) as sink,
        ):
            sink.copy_groups(ParquetPart(source, share).groups)
    return _groups(source, share, part)


def _groups(_: object, share: Share, part: Path) -> range:
    with part.open("rb") as file:
        stop = Footer(file, str(part), "").data_stop()
    return range(0 if share.is_first else len(MAGIC), stop)


def _end_of_masks(_: object, parts: Sequence[Path], output: Output) -> None:
    """Write what follows the row groups of the parts' masks, with the sum of their checksums."""
    found = [(pq.read_metadata(part).metadata or {}).get(KEY.encode(), b"") for part in parts]
    runs = [run for text in found if (run := MaskRun.parse(text.decode())) is not None]
    with (
        closing(ParquetSource(parts[0], str(parts[0]))) as source,
        closing(_EndSink(source, output, frozenset())) as joined,
    ):
        if runs:
            total = ChangedSum()
            for run in runs:
                total += ChangedSum(run.changed, run.checksum)
            every = replace(runs[0], changed=total.changed, checksum=total.checksum)
            source.footer.put_text(found[0], every.text.encode())
        for part in parts:
            joined.add(part)
        joined.finish()


JOINING = Joining(_data, _end)
"""How parts of files are joined."""
JOINING_MASKS = Joining(_groups, _end_of_masks)
"""How masks of parts are joined."""
