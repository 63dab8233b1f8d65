"""Decode and encode small column chunks of plain numbers with the compiled part.

Arrow's reader and writer take longer to set themselves up for a chunk than for its thousand
numbers. Here all small chunks of a slice are decoded by one call, and encoded by another one. The
arrays and the bytes are the same. What the compiled part does not know is left to Arrow: pages
that are damaged or have checksums, other encodings, chunks of several pages.
"""

from __future__ import annotations

import sys
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from noisify.core.native import Part, load, pure
from noisify.formats.parquet import chunk_records as records
from noisify.formats.parquet import thrift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from noisify.formats.parquet.footer import ChunkSize, Footer

_part: Any = load(Part.PAGES) if sys.byteorder == "little" else None

MOST_ROWS = 1 << 14
"""The most rows of a small chunk: fewer than Arrow's writer puts in one page."""
_MOST_BYTES = 1 << 18
"""The most bytes of a small chunk in the file."""
_ZLIB_OR_GZIP = 47
"""The `wbits` of zlib for streams with either header."""


class Numbers(NamedTuple):
    """How numbers of an Arrow type are stored.

    Attributes:
        type: The number of the Parquet type.
        width: The bytes of a number.
        arrow: The Arrow type.
    """

    type: int
    width: int
    arrow: pa.DataType


NUMBERS: Mapping[pa.DataType, Numbers] = {
    numbers.arrow: numbers
    for numbers in (
        Numbers(1, 4, pa.int32()),
        Numbers(2, 8, pa.int64()),
        Numbers(4, 4, pa.float32()),
        Numbers(5, 8, pa.float64()),
    )
}
_CODECS = {"none": 0, "snappy": 1, "gzip": 2, "brotli": 4, "zstd": 6, "lz4": 7}
"""The numbers of the codecs of Arrow's writer."""


def in_use() -> bool:
    """Return whether the compiled part is in use."""
    return _part is not None and not pure()


@lru_cache(maxsize=256)
def storage(kind: pa.DataType) -> tuple[bool, Numbers | None]:
    """Return whether an Arrow type is plain, and how its values are stored if they are numbers.

    A plain type is neither nested, a dictionary nor an extension type.
    """
    cut = pa.types.is_nested(kind) or pa.types.is_dictionary(kind)
    return not cut and not isinstance(kind, pa.BaseExtensionType), NUMBERS.get(kind)


# ---- Decoding


class KnownKinds:
    """The kinds of chunks of a file of which Arrow has read one.

    When it reads a chunk it checks metadata that are not looked at here; later it would abort.

    Args:
        leaves: The numbers of each leaf of the file, by index, and whether they may be null.
    """

    def __init__(self, leaves: Mapping[int, tuple[Numbers, bool]]) -> None:
        self._leaves = leaves
        self._kinds: set[tuple[int, bool, bytes]] = set()

    def add(self, chunks: Sequence[ChunkSize], read: Iterable[int]) -> None:
        """Note which leaves of a row group Arrow has read."""
        self._kinds |= {self._kind(chunks, leaf) for leaf in read if leaf in self._leaves}

    def among(
        self, chunks: Sequence[ChunkSize], leaves: Iterable[int]
    ) -> dict[int, tuple[Numbers, bool]]:
        """Return leaves of numbers of a row group, without the first of each unknown kind."""
        found, met = {}, set(self._kinds)
        for leaf in leaves:
            if leaf in self._leaves:
                kind = self._kind(chunks, leaf)
                if kind in met:
                    found[leaf] = self._leaves[leaf]
                met.add(kind)
        return found

    def _kind(self, chunks: Sequence[ChunkSize], leaf: int) -> tuple[int, bool, bytes]:
        numbers, nullable = self._leaves[leaf]
        return numbers.type, nullable, chunks[leaf].kind


class Decoded(NamedTuple):
    """A decoded chunk.

    Attributes:
        values: Its values.
        version_2: Whether its data page is of version 2.
    """

    values: pa.Array
    version_2: bool


def read(
    path: Path,
    footer: Footer,
    chunks: Sequence[ChunkSize],
    leaves: Mapping[int, tuple[Numbers, bool]],
    rows: int,
) -> dict[int, Decoded]:
    """Read the small chunks among leaves of a row group.

    Args:
        path: The file.
        footer: Its footer.
        chunks: Where the chunks of all leaves are.
        leaves: The numbers of each wanted leaf, by index, and whether they may be null.
        rows: The number of rows.

    Returns:
        The leaves that could be read, by index; all others must be left to Arrow.
    """
    alike: dict[tuple[int, bool, bytes], list[int]] = {}
    for leaf, (numbers, nullable) in leaves.items():
        chunk = chunks[leaf]
        inside = 0 < chunk.start <= footer.start - chunk.stored
        if inside and 0 < chunk.values == rows <= MOST_ROWS and 0 < chunk.stored <= _MOST_BYTES:
            alike.setdefault((numbers.type, nullable, chunk.kind), []).append(leaf)
    found: dict[int, Decoded] = {}
    for (_, nullable, storage), some in alike.items():
        numbers, _ = leaves[some[0]]
        codec = _codec_of(footer.example(storage), numbers)
        if codec is not None:
            data = _load(path, [chunks[leaf] for leaf in some])
            decoded = _decode(data, codec, rows, numbers, nullable=nullable)
            found |= {n: each for n, each in zip(some, decoded, strict=True) if each is not None}
    return found


def _codec_of(record: bytes, numbers: Numbers) -> int | None:
    """Return the number of the codec of a chunk of numbers if it can be decoded here.

    Only codecs whose streams tell their own size will do: a damaged one is not taken for a whole.

    Args:
        record: Its ColumnChunk record.
        numbers: The numbers in it.
    """
    about = thrift.read(record)[0][records.METADATA]
    codec: int = about[records.CODEC]
    known = {_CODECS[name] for name in ("none", "snappy", "gzip", "zstd")}
    return codec if codec in known and about[records.TYPE] == numbers.type else None


def _decode(
    chunks: tuple[bytes, NDArray[np.int64]],
    codec: int,
    rows: int,
    numbers: Numbers,
    *,
    nullable: bool,
) -> list[Decoded | None]:
    """Decode small chunks of one type; None for those that must be left to Arrow.

    Args:
        chunks: Bytes; and the place in them of each chunk, its size, and the offset of its data
            page, shape (n, 3).
        codec: The number of their codec.
        rows: The number of their rows.
        numbers: The numbers in them.
        nullable: Whether they may be null.
    """
    data, places = chunks
    size, bit_size = rows * numbers.width, -(-rows // 8)
    values = np.empty((len(places), size), np.uint8)
    bits = np.zeros((len(places), bit_size), np.uint8)
    found = _part.decode(
        data, places, rows, numbers.width, nullable, codec, _decompress(codec), values, bits
    )
    all_values, all_bits = pa.py_buffer(values), pa.py_buffer(bits)
    decoded: list[Decoded | None] = []
    for number, about in enumerate(found):
        if about is None:
            decoded.append(None)
            continue
        nulls, version_2 = about
        valid = all_bits.slice(number * bit_size, bit_size) if nulls else None
        buffers = [valid, all_values.slice(number * size, size)]
        array = pa.Array.from_buffers(numbers.arrow, rows, buffers, nulls)
        decoded.append(Decoded(array, version_2))
    return decoded


def _load(path: Path, chunks: Sequence[ChunkSize]) -> tuple[bytes, NDArray[np.int64]]:
    """Read chunks, adjacent ones at once; return the bytes, and where the chunks are in them."""
    spans: list[list[int]] = []
    for chunk in chunks:
        if spans and spans[-1][1] == chunk.start:
            spans[-1][1] += chunk.stored
        else:
            spans.append([chunk.start, chunk.start + chunk.stored])
    parts = []
    with path.open("rb", buffering=0) as file:
        for start, stop in spans:
            file.seek(start)
            parts.append(file.read(stop - start))
    sizes = np.array([chunk.stored for chunk in chunks], np.int64)
    pages = np.array([chunk.data_page - chunk.start for chunk in chunks], np.int64)
    return b"".join(parts), np.stack((np.cumsum(sizes) - sizes, sizes, pages), axis=1)


def _decompress(codec: int) -> Callable[..., bytes] | None:
    """Return the function of a codec of its own: two threads must not share one."""
    if codec == _CODECS["gzip"]:
        return _inflate
    if codec == _CODECS["none"]:
        return None
    name = "snappy" if codec == _CODECS["snappy"] else "zstd"
    decompress: Callable[..., bytes] = pa.Codec(name).decompress
    return decompress


def _inflate(data: memoryview, size: int, _: object) -> bytes:
    """Decompress one whole stream of `size` bytes; empty if that is not what the data are."""
    stream = zlib.decompressobj(_ZLIB_OR_GZIP)
    found = stream.decompress(data, size + 1)  # a damaged stream may hold much more
    return found if stream.eof and not stream.unused_data else b""


# ---- Encoding


class PageStyle(NamedTuple):
    """How the compiled part encodes chunks.

    Attributes:
        type: The number of the Parquet type.
        nullable: Whether values may be null.
        version_2: Whether to write pages of version 2.
        statistics: Whether to write statistics.
        codec: The name of the codec.
    """

    type: int
    nullable: bool
    version_2: bool
    statistics: bool
    codec: str


def page_style(
    options: tuple[tuple[str, Any], ...], kind: pa.DataType, *, nullable: bool
) -> PageStyle | None:
    """Return how to encode chunks as Arrow's writer does with some options, if that is known here.

    Args:
        options: The options of Arrow's writer.
        kind: The Arrow type of the values.
        nullable: Whether they may be null.
    """
    asked = dict(options)
    others = ("use_dictionary", "column_encoding", "write_page_index", "write_page_checksum")
    name = asked["compression"]
    if not in_use() or kind not in NUMBERS or name not in _CODECS or any(map(asked.get, others)):
        return None
    return PageStyle(
        NUMBERS[kind].type,
        nullable,
        asked["data_page_version"] == "2.0",
        asked["write_statistics"],
        name,
    )


def _compress(name: str) -> Callable[..., bytes] | None:
    """Return the function of a codec of its own: two threads must not share one."""
    if name == "none":
        return None
    compress: Callable[..., bytes] = pa.Codec("lz4_raw" if name == "lz4" else name).compress
    return compress


def samples(kind: pa.DataType, *, nullable: bool) -> list[pa.Array]:
    """Return short columns of a type by which two writers can be compared, of the same length."""
    numbers = np.arange(-9, 11).astype(kind.to_pandas_dtype())
    found = [numbers, numbers * 0, numbers[::-1] + 20]
    if numbers.dtype.kind == "f":
        found += [np.where(numbers > 0, numbers, np.nan), numbers * np.nan, -found[1]]
    bits = [None]
    if nullable:
        bits += [pa.py_buffer(bytes(each)) for each in ((0b11010111, 255, 0), (0, 0, 0))]
    return [
        pa.Array.from_buffers(kind, len(values), [each, pa.py_buffer(values)])
        for each in bits
        for values in found
    ]


def encode(
    arrays: Sequence[pa.Array], style: PageStyle
) -> tuple[list[bytes], list[records.Row]] | None:
    """Encode small chunks of one type and length.

    Returns:
        The pages of each chunk, and the row of its ColumnChunk record, with the pages at the start
        of a file; None if Arrow must encode them.
    """
    columns = []
    for values in arrays:
        bits, data = values.buffers()
        columns.append((bits if values.null_count else None, data, values.offset))
    name = style.codec
    encoded = _part.encode(columns, len(arrays[0]), *style[:-1], _CODECS[name], _compress(name))
    return None if encoded is None else (encoded[0], records.rows_of(encoded[1]))
