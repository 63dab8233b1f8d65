"""Parquet: what gets no noise keeps its bytes; what does is stored as it was before."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conformance import FormatConformance
from hypothesis import given
from hypothesis import strategies as st
from run_command import noisy_file, normal_noise, run

from noisify.formats.parquet import chunk_records, footer, thrift
from noisify.formats.parquet.thrift import Items, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray


class TestParquet(FormatConformance):
    suffix: ClassVar[str] = ".parquet"

    def write(self, path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        pq.write_table(table, path, row_group_size=6000)

    def read(self, path: Path) -> dict[str, NDArray[Any]]:
        table = pq.read_table(path)
        return {name: table[name].to_numpy() for name in table.column_names}


ROWS = 3000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file with everything that a writer can add to a column."""
    path = tmp_path / "data.parquet"
    table = pa.table(
        {
            "x": np.arange(ROWS) / 8,
            "n": pa.array(range(ROWS), pa.int32()),
            "word": [f"word {i % 50}" for i in range(ROWS)],
            "l": [[i] * (i % 3) for i in range(ROWS)],
        }
    )
    pq.write_table(
        table,
        path,
        row_group_size=1000,
        compression={"x": "zstd", "n": "gzip", "word": "snappy", "l.list.element": "none"},
        use_dictionary=["word"],
        column_encoding={"n": "DELTA_BINARY_PACKED"},
        write_page_index=True,
        write_page_checksum=True,
        max_rows_per_page=100,
        bloom_filter_options={"x": {"ndv": 1000}, "word": {"ndv": 50}},
        sorting_columns=[pq.SortingColumn(1), pq.SortingColumn(0)],
    )
    return path


def chunks(path: Path, column: int) -> list[pq.ColumnChunkMetaData]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(i).column(column) for i in range(metadata.num_row_groups)]


def pages(path: Path, chunk: pq.ColumnChunkMetaData) -> bytes:
    start = chunk.data_page_offset
    if chunk.has_dictionary_page:
        start = min(start, chunk.dictionary_page_offset)
    return path.read_bytes()[start : start + chunk.total_compressed_size]


def test_without_noise_the_file_is_the_same(source: Path) -> None:
    assert source.read_bytes() == noisy_file(source, "-s", 0).read_bytes()


def test_a_row_group_without_a_change_keeps_its_bytes(source: Path) -> None:
    target = noisy_file(source, "-s", 1, "-c", "x", "--where", "n >= 2500")

    before, after = ([pages(path, chunk) for chunk in chunks(path, 0)] for path in (source, target))
    assert before[:2] == after[:2]
    assert before[2] != after[2]


@pytest.mark.parametrize("column", [1, 2, 3])
def test_untouched_columns_keep_their_pages_and_what_is_said_of_them(
    source: Path, column: int
) -> None:
    target = noisy_file(source, "-s", 1, "-c", "x")

    places = ("offset", "path_in_file")
    for before, after in zip(chunks(source, column), chunks(target, column), strict=True):
        assert pages(source, before) == pages(target, after)
        kept, found = (
            {key: value for key, value in chunk.to_dict().items() if not key.endswith(places)}
            for chunk in (before, after)
        )
        assert kept == found


def test_a_noisy_column_is_stored_as_it_was(source: Path) -> None:
    target = noisy_file(source, "-s", 1, "-c", "x,n,l[]")

    for column in (0, 1, 3):
        for before, after in zip(chunks(source, column), chunks(target, column), strict=True):
            for what in ("compression", "has_column_index", "has_offset_index", "is_stats_set"):
                assert getattr(before, what) == getattr(after, what)
            assert set(before.encodings) == set(after.encodings)
            assert (before.bloom_filter_offset is None) == (after.bloom_filter_offset is None)


def first_header(path: Path, at: int) -> Record:
    return thrift.read(path.read_bytes(), at)[0]


def test_page_checksums_and_versions_are_kept(tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        for checked in (True, False):
            source = tmp_path / "data.parquet"
            pq.write_table(
                pa.table({"x": np.arange(9.0)}),
                source,
                use_dictionary=False,
                data_page_version=version,
                write_page_checksum=checked,
            )

            target = noisy_file(source, "-s", 1)

            before, after = (
                first_header(path, chunks(path, 0)[0].data_page_offset) for path in (source, target)
            )
            assert before[1] == after[1] == (3 if version == "2.0" else 0)
            assert (4 in before) == (4 in after) == checked


def test_page_indexes_lead_to_pages(source: Path) -> None:
    target = noisy_file(source, "-s", 1, "-c", "x")
    data = target.read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    footer, _ = thrift.read(data, len(data) - 8 - size)
    found = 0
    for group in footer[4].values:
        for chunk in group[1].values:
            index, end = thrift.read(data, chunk[4])
            assert end == chunk[4] + chunk[5]
            for page in index[1].values:
                header, start = thrift.read(data, page[1])
                assert start + header[3] == page[1] + page[2]
                found += 1
            assert len(thrift.read(data, chunk[6])[0][2].values) == len(index[1].values)
    assert found > 60


def test_bloom_filters_hold_what_is_in_the_column_now(source: Path) -> None:
    target = noisy_file(source, "-s", 1, "-c", "x")

    def excluded(path: Path, column: str, value: str) -> list[bool]:
        query = (
            f"select bloom_filter_excludes from parquet_bloom_probe('{path}', '{column}', {value})"  # noqa: S608
        )
        return [row[0] for row in duckdb.sql(query).fetchall()]

    noised = pq.read_table(target)["x"].to_pylist()
    assert not excluded(target, "x", repr(noised[1500]) + "::double")[1]
    assert sum(all(excluded(target, "x", f"{-i}.5e9::double")) for i in range(50)) > 30
    assert excluded(source, "word", "'word 7'") == excluded(target, "word", "'word 7'")
    assert all(excluded(target, "word", "'no such word'"))


def test_statistics_find_the_noisy_rows(source: Path) -> None:
    target = noisy_file(source, "-s", 50, "-c", "x")

    most = max(pq.read_table(target)["x"].to_pylist())
    query = f"select count(*) from '{target}' where x = {most!r}"  # noqa: S608
    assert [(1,)] == duckdb.sql(query).fetchall()


def test_rows_are_said_to_be_sorted_as_long_as_they_are(source: Path) -> None:
    by_n = pq.read_metadata(noisy_file(source, "-s", 1, "-c", "x")).row_group(0)
    by_nothing = pq.read_metadata(noisy_file(source, "-s", 1, "-c", "n")).row_group(0)

    assert [1] == [one.column_index for one in by_n.sorting_columns]
    assert [] == list(by_nothing.sorting_columns)


def test_field_ids_and_column_order_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    fields = [
        pa.field("b", pa.float64(), metadata={"PARQUET:field_id": "7"}),
        pa.field("a", pa.float64(), metadata={"PARQUET:field_id": "3"}),
    ]
    pq.write_table(pa.table([[0.5], [1.5]], pa.schema(fields)), source)

    target = noisy_file(source, "-s", 1, "-c", "a")

    assert pq.read_schema(source).equals(pq.read_schema(target), check_metadata=True)
    before, after = (
        str(pq.ParquetFile(path).schema).partition("\n")[2] for path in (source, target)
    )
    assert before == after
    assert "field_id=7 b" in after


def test_appended_copies_follow_the_old_row_groups(source: Path) -> None:
    target = noisy_file(source, "-s", 1, "-c", "x", "--append")

    table = pq.read_table(target)
    before = pq.read_table(source)
    assert before.equals(table.slice(0, ROWS))
    assert before.drop_columns(["x"]).equals(table.slice(ROWS).drop_columns(["x"]))
    noised = before["x"].to_numpy() + normal_noise("x", ROWS)
    assert noised.tolist() == table.slice(ROWS)["x"].to_pylist()
    assert pages(source, chunks(source, 0)[0]) == pages(target, chunks(target, 0)[0])


def test_each_of_several_outputs_is_as_if_made_alone(source: Path) -> None:
    folder = source.with_name("sweep")
    done = run(source, "--sweep", "scale=1,2,3", "-c", "x", "--output-dir", folder, "--seed", 1)
    assert done.status == 0, done.messages

    for scale in (1, 2, 3):
        alone = noisy_file(source, "-s", scale, "-c", "x")
        assert alone.read_bytes() == (folder / f"data_scale-{scale}.parquet").read_bytes()


def test_other_software_reads_the_same(source: Path) -> None:
    target = noisy_file(source, "-s", 1, "-c", "x")

    query = "select word, l, n from '{}' order by n"
    before, after = (duckdb.sql(query.format(path)).fetchall() for path in (source, target))
    assert before == after


def test_old_timestamps_get_noise_and_stay_so(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    start = dt.datetime(2024, 3, 1)  # noqa: DTZ001 - Parquet has times without zone
    columns = {"old": pa.array([start, None], pa.timestamp("ns")), "x": [0.5, 1.5]}
    pq.write_table(pa.table(columns), source, use_deprecated_int96_timestamps=True)

    target = noisy_file(source, "-s", "1s", "-c", "old")

    assert "INT96" == chunks(target, 0)[0].physical_type
    after = pq.read_table(target)["old"].to_pylist()
    assert after[1] is None
    assert 0 < abs((after[0] - start).total_seconds()) < 5


def test_decimals_kept_as_bytes_stay_so(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    wide = pa.array([Decimal("1.25"), None, Decimal("-300.00")], pa.decimal128(38, 2))
    pq.write_table(pa.table({"d": wide}), source)
    narrow = narrowed(source, tmp_path / "narrow.parquet")

    target = noisy_file(narrow, "-s", 0, "-c", "d", "--loc", 1)

    column = pq.ParquetFile(target).schema.column(0)
    assert ("FIXED_LEN_BYTE_ARRAY", 16, 5) == (
        column.physical_type,
        column.length,
        column.precision,
    )
    expected = [Decimal("2.25"), None, Decimal("-299.00")]
    assert expected == pq.read_table(target)["d"].to_pylist()


def narrowed(source: Path, target: Path) -> Path:
    """Say of a decimal column that it has 5 digits, in 16 bytes as before."""
    data = source.read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    footer, _ = thrift.read(data, len(data) - 8 - size)
    element = footer[2].values[1]
    element.put(8, thrift.I32, 5)
    element.put(10, thrift.STRUCT, None)
    footer.put(5, thrift.LIST, None)
    new = thrift.written(footer)
    target.write_bytes(data[: -8 - size] + new + len(new).to_bytes(4, "little") + b"PAR1")
    return target


def test_encrypted_columns_are_refused(tmp_path: Path) -> None:
    from pyarrow.parquet import encryption  # noqa: PLC0415 - only here

    class Keys(encryption.KmsClient):  # type: ignore[misc]
        def wrap_key(self, key: bytes, _: str) -> bytes:
            return key

        def unwrap_key(self, key: bytes, _: str) -> bytes:
            return key

    factory = encryption.CryptoFactory(lambda _: Keys())
    for plaintext_footer in (True, False):
        source = tmp_path / "data.parquet"
        configuration = encryption.EncryptionConfiguration(
            footer_key="f", column_keys={"c": ["x"]}, plaintext_footer=plaintext_footer
        )
        properties = factory.file_encryption_properties(
            encryption.KmsConnectionConfig(), configuration
        )
        table = pa.table({"x": [0.5], "y": [1.5]})
        with pq.ParquetWriter(source, table.schema, encryption_properties=properties) as writer:
            writer.write_table(table)

        done = run(source, "-o", tmp_path / "out.parquet", "-s", 1, "-c", "y", "--seed", 1)

        assert (3, 1) == (done.status, len(done.lines))
        assert "decrypt it first" in done.messages
        assert [source] == list(tmp_path.iterdir())


def test_a_summary_of_other_files_is_refused(tmp_path: Path) -> None:
    part, summary = tmp_path / "part.parquet", tmp_path / "summary.parquet"
    collected: list[pq.FileMetaData] = []
    table = pa.table({"x": [0.5]})
    pq.write_table(table, part, metadata_collector=collected)
    collected[0].set_file_path("part.parquet")
    pq.write_metadata(table.schema, summary, metadata_collector=collected)

    done = run(summary, "-o", tmp_path / "out.parquet", "-s", 1, "--seed", 1)

    assert (3, 1) == (done.status, len(done.lines)), done.messages


def test_a_large_row_group_is_one_afterwards(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    count = 3_000_000
    table = pa.table({"x": np.zeros(count), "n": np.zeros(count, "i1")})
    pq.write_table(table, source, row_group_size=count, use_dictionary=False)

    target = noisy_file(source, "-s", 1, "-c", "x", "--where", "n = 0", "--jobs", 2)

    assert 1 == pq.read_metadata(target).num_row_groups
    actual = pq.read_table(target)["x"].to_numpy()
    np.testing.assert_array_equal(normal_noise("x", count), actual)
    small = tmp_path / "small.parquet"
    pq.write_table(table, small, row_group_size=100_000, use_dictionary=False)
    again = pq.read_table(noisy_file(small, "-s", 1, "-c", "x"))["x"].to_numpy()
    np.testing.assert_array_equal(actual, again)


VALUES = st.deferred(
    lambda: st.one_of(
        st.tuples(st.just(thrift.TRUE), st.booleans()),
        st.tuples(st.just(thrift.I32), st.integers(-(2**31), 2**31 - 1)),
        st.tuples(st.just(thrift.I64), st.integers(-(2**63), 2**63 - 1)),
        st.tuples(st.just(thrift.DOUBLE), st.binary(min_size=8, max_size=8)),
        st.tuples(st.just(thrift.BINARY), st.binary(max_size=300)),
        st.tuples(st.just(thrift.STRUCT), RECORDS),
        st.tuples(
            st.just(thrift.LIST),
            st.lists(RECORDS, max_size=20).map(lambda each: Items(thrift.STRUCT, each)),
        ),
        st.tuples(
            st.just(thrift.LIST),
            st.lists(st.booleans(), max_size=20).map(lambda each: Items(thrift.TRUE, each)),
        ),
    )
)
RECORDS = st.dictionaries(st.integers(1, 300), VALUES, max_size=5).map(Record)


OTHERWISE = {
    thrift.I32: 3,
    thrift.BINARY: b"abc",
    thrift.STRUCT: Record(),
    thrift.MAP: (thrift.I32 << 4 | thrift.I32, [(1, 2)]),
}
"""A value of each wire type."""


def footer_of(path: Path) -> tuple[int, Record]:
    """Return where the footer of a file starts, and its record."""
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return start, thrift.read(data, start)[0]


def write_footer(path: Path, pages: bytes, record: Record) -> None:
    written = thrift.written(record)
    path.write_bytes(pages + written + len(written).to_bytes(4, "little") + b"PAR1")


def change_group(path: Path, change: Callable[[Record], None]) -> None:
    """Change the record of the first row group."""
    start, record = footer_of(path)
    change(record[4].values[0])
    write_footer(path, path.read_bytes()[:start], record)


def change_footer(path: Path, change: Callable[[Record], None]) -> None:
    """Change the record of the first row group's second column, `n`."""
    change_group(path, lambda group: change(group[1].values[1]))


def test_a_number_in_the_footer_that_is_another_thing_is_passed_over(source: Path) -> None:
    sizes = Items(thrift.I32, [1, 2])  # early drafts had them there
    change_footer(source, lambda chunk: chunk[3].put(15, thrift.LIST, sizes))

    target = noisy_file(source, "-s", 1, "-c", "x")

    before, after = pq.read_table(source), pq.read_table(target)
    assert before.drop_columns(["x"]).equals(after.drop_columns(["x"]))


def test_the_offset_of_a_chunk_that_moves_goes_with_it(source: Path) -> None:
    change_footer(source, lambda chunk: chunk.put(2, thrift.I64, chunk[3][9]))

    before, after = chunks(source, 1)[0], chunks(noisy_file(source, "-s", 1, "-c", "x"), 1)[0]

    assert before.data_page_offset == before.file_offset
    assert after.data_page_offset == after.file_offset
    assert before.file_offset != after.file_offset


@pytest.mark.parametrize("place", [1, 10**9])
def test_a_chunk_that_is_not_inside_the_file_is_one_line(source: Path, place: int) -> None:
    change_footer(source, lambda chunk: chunk[3].put(9, thrift.I64, place))
    target = source.with_name("out.parquet")

    done = run(source, "-o", target, "-s", 1, "-c", "x", "--seed", 1)

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert "has a column chunk that is not inside the file" in done.messages
    assert not target.exists()


@given(RECORDS)
def test_thrift_records_are_read_as_they_were_written(record: Record) -> None:
    data = thrift.written(record)

    found, end = thrift.read(data)

    assert end == len(data)
    assert data == thrift.written(found)
    for at in range(len(data)):
        with pytest.raises(ValueError, match="Thrift"):
            thrift.read(data[:at])


@pytest.mark.parametrize("seed", range(40))
def test_a_footer_with_wrong_bytes_is_read_or_refused_in_one_line(source: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(source.read_bytes())
    end = len(data) - 8
    for place in random.integers(end - int.from_bytes(data[end : end + 4], "little"), end, 2):
        data[place] = random.integers(256)
    source.write_bytes(data)
    target = source.with_name("out.parquet")

    done = run(source, "-o", target, "-s", 1, "-c", "x", "--seed", 1)

    assert done.status in {0, 2, 3}
    assert len(done.lines) == (done.status != 0), done.messages
    assert target.exists() == (done.status == 0)


@pytest.mark.parametrize(
    ("ordinal", "expected"), [(0, 0), (7, 7), ((1 << 15) - 1, (1 << 15) - 1), (1 << 15, None)]
)
def test_row_groups_are_numbered_as_far_as_sixteen_bits_go(
    ordinal: int, expected: int | None
) -> None:
    row = [None] * (chunk_records.COLUMN_INDEX_LENGTH + 1)
    row[chunk_records.UNCOMPRESSED], row[chunk_records.STORED] = 30, 20
    group = Record()
    for number in (footer.ORDINAL, footer.GROUP_STORED, footer.GROUP_OFFSET):
        group.put(number, thrift.I64, 99)
    footer.sum_up(footer.RowGroup(group, [row, row]), 5, 4, ordinal, set())
    found = [
        group.get(number)
        for number in (
            footer.GROUP_ROWS,
            footer.GROUP_BYTES,
            footer.GROUP_STORED,
            footer.GROUP_OFFSET,
            footer.ORDINAL,
        )
    ]
    assert [5, 60, 40, 4, expected] == found


@pytest.mark.parametrize("kind", [thrift.I32, thrift.BINARY, thrift.STRUCT, thrift.MAP])
def test_a_sort_order_that_is_another_thing_is_passed_over(source: Path, kind: int) -> None:
    change_group(source, lambda group: group.put(4, kind, OTHERWISE[kind]))

    target = noisy_file(source, "-s", 1, "-c", "x,n")

    assert pq.read_table(target).num_rows == ROWS


@pytest.mark.parametrize("pure", ["", "1"])
@pytest.mark.parametrize("kind", [thrift.I32, thrift.BINARY, thrift.STRUCT, thrift.MAP])
def test_texts_of_a_chunk_that_are_another_thing_are_kept(
    source: Path, kind: int, pure: str
) -> None:
    other = OTHERWISE[kind]
    change_footer(source, lambda chunk: chunk[3].put(8, kind, other))

    target = source.with_name("out.parquet")

    run(source, "-o", target, "-c", "n", "--seed", 1, variables={"NOISIFY_PURE": pure})

    kept = footer_of(target)[1][4].values[0][1].values[1][3]
    assert (kept.kind(8), kept[8]) == (kind, other)


def test_chunks_with_a_field_of_another_type_have_a_style_of_their_own(source: Path) -> None:
    table = pq.read_table(source, columns=["x"])
    table = table.append_column("n", table["x"])
    pq.write_table(table, source, bloom_filter_options={"x": {"ndv": 99}, "n": {"ndv": 99}})
    change_footer(source, lambda chunk: chunk[3].put(14, thrift.BINARY, b"here"))

    target = noisy_file(source, "-s", 1, "-c", "x,n")

    found = [chunks(target, column)[0].bloom_filter_offset for column in (0, 1)]
    assert [place is not None for place in found] == [True, False]


def test_pages_are_as_in_the_first_row_group_whichever_gets_noise_first(tmp_path: Path) -> None:
    first, second, source = (tmp_path / f"{name}.parquet" for name in ("first", "second", "both"))
    for path, start, checked in ((first, 0, True), (second, 9, False)):
        table = pa.table({"x": np.arange(9.0), "n": np.arange(start, start + 9)})
        pq.write_table(table, path, use_dictionary=False, write_page_checksum=checked)
    end, record = footer_of(first)
    begin, other = footer_of(second)
    for chunk in other[4].values[0][1].values:
        chunk[3].put(9, thrift.I64, chunk[3][9] + end - 4)
    record[4].values.append(other[4].values[0])
    record.put(3, thrift.I64, 18)
    write_footer(source, first.read_bytes()[:end] + second.read_bytes()[4:begin], record)

    target = noisy_file(source, "-s", 1, "-c", "x", "--where", "n >= 9")

    changed = chunks(target, 0)[1]
    assert chunks(source, 0)[1].statistics != changed.statistics
    assert 4 in first_header(target, changed.data_page_offset)
