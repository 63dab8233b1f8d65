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
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from noisify.formats.parquet.footer import ChunkSize

_part: Any = load(Part.PAGES) if sys.byteorder == "little" else None

MOST_ROWS = 1 << 14
"""The most rows of a small chunk: fewer than Arrow's writer puts in one page."""
_MOST_BYTES = 1 << 18
"""The most bytes of a small chunk in the file."""
_ZLIB_OR_GZIP = 47
"""The `wbits` of zlib for streams with either header."""


class Numbers(NamedTuple):
    """How numbers of an Arrow type are stored: the number of their Parquet type, and their bytes.

    Attributes:
        type: The number of the Parquet type.
        width: The bytes of a number.
    """

    type: int
    width: int


NUMBERS: Mapping[pa.DataType, Numbers] = {
    pa.int32(): Numbers(1, 4),
    pa.int64(): Numbers(2, 8),
    pa.float32(): Numbers(4, 4),
    pa.float64(): Numbers(5, 8),
}
_CODECS = {"none": 0, "snappy": 1, "gzip": 2, "brotli": 4, "zstd": 6, "lz4": 7}
"""The numbers of the codecs of Arrow's writer."""


def in_use() -> bool:
    """Return whether the compiled part is in use."""
    return _part is not None and not pure()


# ---- Decoding


def codec_of(record: bytes, kind: pa.DataType) -> int | None:
    """Return the number of the codec of a chunk if it can be decoded here.

    Only codecs whose streams tell their own size will do: a damaged one is not taken for a whole.

    Args:
        record: Its ColumnChunk record.
        kind: The Arrow type of its values.
    """
    about = thrift.read(record)[0][records.METADATA]
    codec: int = about[records.CODEC]
    known = {_CODECS[name] for name in ("none", "snappy", "gzip", "zstd")}
    return codec if codec in known and about[records.TYPE] == NUMBERS[kind].type else None


def read(
    path: Path,
    example: Callable[[bytes], bytes],
    chunks: Sequence[ChunkSize],
    leaves: Mapping[int, tuple[pa.DataType, bool]],
    rows: int,
) -> dict[int, pa.Array]:
    """Read the small chunks of plain numbers among leaves of a row group.

    Args:
        path: The file.
        example: Returns the ColumnChunk record of a chunk of a kind.
        chunks: Where the chunks of all leaves are.
        leaves: The Arrow type of each wanted leaf, by index, and whether it may be null.
        rows: The number of rows.

    Returns:
        The leaves that could be read, by index; all others must be left to Arrow.
    """
    alike: dict[tuple[pa.DataType, bool, bytes], list[int]] = {}
    for leaf, (kind, nullable) in leaves.items():
        chunk = chunks[leaf]
        whole = 0 < chunk.values == rows <= MOST_ROWS and 0 < chunk.stored <= _MOST_BYTES
        if whole and kind in NUMBERS:
            alike.setdefault((kind, nullable, chunk.kind), []).append(leaf)
    found: dict[int, pa.Array] = {}
    for (kind, nullable, storage), some in alike.items():
        codec = codec_of(example(storage), kind)
        if codec is not None:
            wanted = [chunks[leaf] for leaf in some]
            arrays = decode(_load(path, wanted), codec, rows, kind, nullable=nullable)
            found |= {n: each for n, each in zip(some, arrays, strict=True) if each is not None}
    return found


def decode(
    chunks: tuple[bytes, NDArray[np.int64]],
    codec: int,
    rows: int,
    kind: pa.DataType,
    *,
    nullable: bool,
) -> list[pa.Array | None]:
    """Decode small chunks of one type.

    Args:
        chunks: Bytes, and the place and size of each chunk in them, shape (n, 2).
        codec: The number of their codec.
        rows: The number of their rows.
        kind: The Arrow type of their values.
        nullable: Whether their values may be null.

    Returns:
        Their values; None for a chunk that must be left to Arrow.
    """
    data, places = chunks
    width = NUMBERS[kind].width
    values = np.empty((len(places), rows * width), np.uint8)
    bits = np.zeros((len(places), -(-rows // 8)), np.uint8)
    nulls = _part.decode(
        data, places, rows, width, nullable, codec, _decompress(codec), values, bits
    )
    all_values, all_bits = pa.py_buffer(values), pa.py_buffer(bits)
    size, bit_size = values.shape[1], bits.shape[1]
    arrays: list[pa.Array | None] = []
    for number, missing in enumerate(nulls):
        if missing is None:
            arrays.append(None)
            continue
        valid = all_bits.slice(number * bit_size, bit_size) if missing else None
        buffers = [valid, all_values.slice(number * size, size)]
        arrays.append(pa.Array.from_buffers(kind, rows, buffers, missing))
    return arrays


def _load(path: Path, chunks: Sequence[ChunkSize]) -> tuple[bytes, NDArray[np.int64]]:
    """Read chunks, adjacent ones at once; return the bytes, and the place and size of each."""
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
    return b"".join(parts), np.stack((np.cumsum(sizes) - sizes, sizes), axis=1)


@lru_cache(maxsize=8)
def _decompress(codec: int) -> Callable[[memoryview, int], bytes] | None:
    if codec == _CODECS["gzip"]:
        return lambda data, _: zlib.decompress(data, _ZLIB_OR_GZIP)
    if codec == _CODECS["none"]:
        return None
    library = pa.Codec("snappy" if codec == _CODECS["snappy"] else "zstd")
    return lambda data, size: library.decompress(data, size, asbytes=True)


# ---- Encoding


class PageStyle(NamedTuple):
    """How the compiled part encodes chunks: its arguments, from the number of the type on."""

    type: int
    nullable: bool
    version_2: bool
    statistics: bool
    codec: int
    compress: Callable[[memoryview, int], bytes] | None


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
        _CODECS[name],
        _compress(name),
    )


@lru_cache(maxsize=8)
def _compress(name: str) -> Callable[[memoryview, int], bytes] | None:
    if name == "none":
        return None
    codec = pa.Codec("lz4_raw" if name == "lz4" else name)
    return lambda data, _: codec.compress(data, asbytes=True)


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


def encode(arrays: Sequence[pa.Array], style: PageStyle) -> tuple[bytes, list[records.Row]] | None:
    """Encode small chunks of one type and length.

    Returns:
        The bytes of their pages, one chunk after the other, and the row of each one's ColumnChunk
        record, with its pages at the start of a file; None if Arrow must encode them.
    """
    columns = []
    for values in arrays:
        bits, data = values.buffers()
        columns.append((bits if values.null_count else None, data, values.offset))
    encoded = _part.encode(columns, len(arrays[0]), *style)
    return None if encoded is None else (encoded[0], records.rows_of(encoded[1]))
