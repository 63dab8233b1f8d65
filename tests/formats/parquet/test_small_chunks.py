"""Small column chunks: the compiled part's arrays and bytes are those of Arrow's."""

from __future__ import annotations

import gzip
import itertools
import os
import re
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run

from noisify.core import native
from noisify.core.errors import DataError, UsageError
from noisify.formats.parquet import chunk_records, column_chunk, small_chunks, thrift
from noisify.formats.parquet.column_chunk import Fit, Style
from noisify.formats.parquet.source import ParquetSource
from noisify.formats.parquet.thrift import Record

REQUIRED = "NOISIFY_REQUIRE_COMPILED" in os.environ
pytestmark = pytest.mark.skipif(
    native.load(native.Part.PAGES) is None and not REQUIRED, reason="NOT COMPILED"
)

KINDS = [pa.int32(), pa.int64(), pa.float32(), pa.float64()]
CODECS = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]
ROWS = [1, 7, 8, 9, 505, 1025]


def names(value):
    return str(value)


def columns(kind, rows, *, nullable):
    """Return columns of a type: random and special values, with runs of nulls of all lengths."""
    rng = np.random.default_rng(rows)
    dtype = kind.to_pandas_dtype()
    if np.dtype(dtype).kind == "f":
        special = np.array([0, -0.0, np.nan, np.inf, -np.inf, 1e-310, -2.5], dtype)
        some = [np.abs(rng.choice(special, rows)), special[1:2].repeat(rows), rng.normal(size=rows)]
        some += [np.full(rows, np.nan), rng.choice(special, rows)]
    else:
        ends = np.iinfo(dtype)
        some = [rng.integers(ends.min, ends.max, rows, dtype), np.arange(rows) // 9]
    values = [each.astype(dtype) for each in some]
    masks = [None]
    if nullable:
        masks += [rng.random(rows) < share for share in (0.02, 0.5, 0.97)]
        masks += [np.full(rows, fill_value=True), np.arange(rows) // 20 % 2 == 0]
    return [pa.array(each, kind, mask=mask) for each in values for mask in masks]


def style(codec, version, *, statistics):
    return Style(
        tuple(
            {
                "compression": codec,
                "use_dictionary": False,
                "column_encoding": None,
                "write_statistics": statistics,
                "write_page_index": False,
                "data_page_version": version,
                "write_page_checksum": False,
                "store_schema": False,
            }.items()
        ),
        filtered=False,
    )


def content(encoded):
    return [(bytes(one.pages), chunk_records.encoded([one.row])) for one in encoded]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", KINDS, ids=names)
def test_columns_are_encoded_to_the_bytes_of_arrow(kind, codec):
    cases = itertools.product(ROWS, (False, True), ("1.0", "2.0"), (False, True))
    for rows, nullable, version, statistics in cases:
        fit = Fit(kind, nullable, ())
        arrays = columns(kind, rows, nullable=nullable)
        asked = style(codec, version, statistics=statistics)
        whole = [(fit, [each]) for each in arrays]
        made = column_chunk._small(whole, asked)
        assert made is not None
        assert content(made) == content(column_chunk._with_arrow(whole, asked))
        cut = [(fit, [each[rows // 3 :]]) for each in arrays]
        assert content(column_chunk.encode(cut, asked)) == content(
            column_chunk._with_arrow(cut, asked)
        )


def test_other_styles_and_long_columns_are_left_to_arrow():
    asked = style("none", "1.0", statistics=True)
    fit = Fit(pa.int32(), nullable=True, options=())
    few, many = pa.array([1, 2], pa.int32()), pa.array(range(20_000), pa.int32())
    assert column_chunk._small([(fit, [few])], asked) is not None
    assert column_chunk._small([(fit, [few, few])], asked) is None
    assert column_chunk._small([(fit, [few]), (fit, [few[:1]])], asked) is None
    assert column_chunk._small([(fit, [many])], asked) is None
    assert column_chunk._small([(fit, [few[:0]])], asked) is None
    assert column_chunk._small([(fit, [few])], asked._replace(filtered=True)) is None
    for name in ("use_dictionary", "write_page_index", "write_page_checksum"):
        options = tuple({**dict(asked.options), name: True}.items())
        assert column_chunk._small([(fit, [few])], asked._replace(options=options)) is None


def test_an_arrow_that_writes_other_bytes_is_asked_to_write_them(monkeypatch):
    asked = style("none", "1.0", statistics=True)
    compiled = small_chunks.encode

    def other(*given):
        pages, rows = compiled(*given)
        return [b"X", *pages[1:]], rows

    monkeypatch.setattr(small_chunks, "encode", other)
    column_chunk._page_style.cache_clear()
    fit = Fit(pa.int32(), nullable=True, options=())
    assert column_chunk._small([(fit, [pa.array([1, 2], pa.int32())])], asked) is None
    column_chunk._page_style.cache_clear()


@pytest.mark.parametrize("codec", CODECS)
def test_several_threads_encode_at_once(codec):
    asked = style(codec, "1.0", statistics=True)
    numbers = np.random.default_rng(1).normal(size=3000).round(2)
    whole = [(Fit(pa.float64(), nullable=True, options=()), [pa.array(numbers)])] * 50
    expected = content(column_chunk.encode(whole, asked))
    with ThreadPoolExecutor(4) as pool:
        for made in pool.map(lambda _: column_chunk.encode(whole, asked), range(8)):
            assert content(made) == expected


def kinds_of(source):
    """Return the types and kinds of the chunks of a file, as if Arrow had read some of each."""
    groups = range(source.metadata.num_row_groups)
    return {
        source._known_kinds._kind(source.sizes(group), leaf)
        for group in groups
        for leaf in source._small
    }


def decoded(path):
    """Return the columns of a file as the compiled part and as Arrow reads them, by number."""
    source = ParquetSource(path, path.name)
    every = range(len(source.leaves))
    source._known_kinds._kinds = kinds_of(source)
    found = source._small_chunks(0, every)
    source.close()
    table = pq.read_table(path)
    for number, array in found.items():
        array.validate(full=True)
        assert array.type == table[number].type
        assert same(array, table[number].combine_chunks())
    return found


def same(one, other):
    """Return whether arrays have the same nulls and, elsewhere, the same bits."""
    wide = f"i{one.type.bit_width // 8}"
    nulls = np.asarray(one.is_null())
    bits = [np.asarray(each.fill_null(0)).view(wide) for each in (one, other)]
    return (nulls == np.asarray(other.is_null())).all() and (bits[0] == bits[1]).all()


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [False, True], ids=["plain", "dictionary"])
@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd"])
def test_columns_are_decoded_to_the_arrays_of_arrow(codec, dictionary, version, tmp_path):
    path = tmp_path / "table.parquet"
    for rows, nullable in itertools.product(ROWS, (False, True)):
        arrays = [each for kind in KINDS for each in columns(kind, rows, nullable=nullable)]
        fields = [pa.field(f"c{at}", a.type, nullable) for at, a in enumerate(arrays)]
        table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
        pq.write_table(
            table, path, compression=codec, use_dictionary=dictionary, data_page_version=version
        )
        assert len(decoded(path)) == len(arrays)


def test_the_files_of_polars_and_duckdb_are_decoded(tmp_path):
    arrays = [each for kind in KINDS for each in columns(kind, 1000, nullable=True)]
    table = pa.table({f"c{at}": each for at, each in enumerate(arrays)})
    for codec in ("uncompressed", "snappy", "gzip", "zstd"):
        pl.from_arrow(table).write_parquet(tmp_path / "polars.parquet", compression=codec)
        assert len(decoded(tmp_path / "polars.parquet")) > len(arrays) // 2
        duckdb.from_arrow(table).write_parquet(str(tmp_path / "duckdb.parquet"), compression=codec)
        assert len(decoded(tmp_path / "duckdb.parquet")) > len(arrays) // 2


def outcome(source):
    """Return what the first row group of a source reads as, or why it cannot be read."""
    piece = next(source.pieces([source.fields], Counter(), 1 << 20))
    try:
        return source.arrays(piece, range(len(source.leaves)))
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_damaged_pages_are_reported_as_by_arrow(codec, version, tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    numbers = [1.5, None, 2.5, 1.5, 2.5, 2.5, None, 0.0, 1.5, 2.5]
    table = pa.table({"x": pa.array(numbers), "n": pa.array(range(10), pa.int32())})
    pq.write_table(table, path, compression=codec, use_dictionary=["x"], data_page_version=version)
    whole = bytearray(path.read_bytes())
    source = ParquetSource(path, path.name)
    kinds = kinds_of(source)
    source.close()
    with pq.ParquetFile(path) as file:
        stop = 4 + sum(file.metadata.row_group(0).column(at).total_compressed_size for at in (0, 1))
    seen = set()
    for at in range(4, stop):
        for flipped in (1, 0x80, 0xFF):
            damaged = whole.copy()
            damaged[at] ^= flipped
            path.write_bytes(damaged)
            source = ParquetSource(path, path.name)
            source._known_kinds._kinds = kinds.copy()
            found = []
            for pure in ("", "1"):
                monkeypatch.setenv(native.PURE, pure)
                found.append(outcome(source))
            source.close()
            mine, reference = found
            assert type(mine) is type(reference), (at, flipped, found)
            if isinstance(mine, str):
                assert mine == reference
            else:
                assert all(same(mine[leaf], reference[leaf]) for leaf in mine), (at, flipped)
            seen.add(isinstance(mine, str))
    assert seen == {False, True}


@pytest.mark.parametrize(
    "options",
    [["0.1"], ["0.1sd"], ["0.1", "--where", "c1 > 0"]],
)
def test_a_wide_table_is_the_same_with_and_without_the_compiled_part(options, tmp_path):
    rng = np.random.default_rng(0)
    table = pa.table({f"c{at}": np.round(rng.normal(size=100), 2) for at in range(300)})
    pq.write_table(table, tmp_path / "in.parquet")
    written = []
    for pure in ("", "1"):
        out = tmp_path / f"out{pure}.parquet"
        variables = {native.PURE: pure}
        done = run(
            tmp_path / "in.parquet", "-s", *options, "--seed", 1, "-o", out, variables=variables
        )
        assert done.status == 0, done
        written.append(out.read_bytes())
    assert written[0] == written[1]


def test_a_gzip_stream_that_holds_more_than_its_page_is_not_inflated():
    stream = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        assert len(small_chunks._inflate(memoryview(stream), 40, None)) != 40
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_only_one_whole_gzip_stream_is_inflated():
    stream = gzip.compress(b"eight by")
    assert small_chunks._inflate(memoryview(stream), 8, None) == b"eight by"
    for other in (stream[:-1], stream + b"\0", stream + stream, stream + gzip.compress(b"")):
        assert small_chunks._inflate(memoryview(other), 8, None) == b""


def test_a_damaged_footer_is_reported_as_by_arrow(tmp_path, monkeypatch):
    """It may name places outside the file, or have statistics that Arrow would abort at later."""
    path = tmp_path / "table.parquet"
    table = pa.table({"a": [1.5, 2.5, None, 3.5], "b": [5.5, None, 6.5, 7.5]})
    options = {"use_dictionary": False, "compression": "none", "store_schema": False}
    pq.write_table(table, path, row_group_size=2, **options)
    whole = bytearray(path.read_bytes())
    source = ParquetSource(path, path.name)
    kinds, start = kinds_of(source), source.footer.start
    source.close()
    seen = Counter()
    for at in range(start, whole.index(b"parquet-cpp", start)):
        damaged = whole.copy()
        damaged[at] ^= 0x41
        path.write_bytes(damaged)
        found = []
        for pure in ("", "1"):
            monkeypatch.setenv(native.PURE, pure)
            found.append(each_group(path, kinds))
        mine, reference = found
        assert str(mine) == str(reference), at
        seen.update(re.sub(r"\W+|\d+|Definition|Repetition", " ", text) for text in mine[-1:])
    assert any("Invalid column metadata" in text for text in seen)
    assert any("histogram size mismatch" in text for text in seen)


def each_group(path, kinds):
    """Return the arrays and styles of the row groups of a file, and why it cannot be read."""
    found = []
    try:
        source = ParquetSource(path, path.name)
        source._known_kinds._kinds = kinds & kinds_of(source)
        for piece in source.pieces([source.fields], Counter(), 1 << 20):
            arrays = source.arrays(piece, range(len(source.leaves)))
            found += [values.to_pylist() for values in arrays.values()]
            fits = {leaf: source.fit(leaf) for leaf in arrays}
            found.append(source.styles(piece.group, fits, piece.rows))
    except (DataError, UsageError) as error:
        found.append(error.message)
    return [str(each) for each in found]


@pytest.mark.parametrize(
    ("encoding", "body", "more", "known"),
    [
        (0, b"", {}, True),
        (8, b"\0", {}, False),  # indices, but no dictionary
        (0, b"", {20: 8}, True),
        (0, b"", {(1 << 16) + 2: 8}, False),  # readers may take it for field 2
    ],
)
def test_what_a_page_header_says_is_left_to_arrow(encoding, body, more, known):
    """A page of 8 nulls."""
    stored = b"\2\0\0\0" + b"\x10\0" + body
    fields = {1: 8, 2: encoding, 3: 3, 4: 3, **more}
    about = Record({number: (thrift.I32, value) for number, value in fields.items()})
    sizes = enumerate((0, len(stored), len(stored)), 1)
    header = {number: (thrift.I32, value) for number, value in sizes}
    chunk = thrift.written(Record({**header, 5: (thrift.STRUCT, about)})) + stored
    numbers = small_chunks.NUMBERS[pa.int32()]
    places = np.array([[0, len(chunk), 0]])
    (found,) = small_chunks._decode((chunk, places), 0, 8, numbers, nullable=True)
    assert (found is not None) == known
    if found is not None:
        assert found.values.to_pylist() == [None] * 8
