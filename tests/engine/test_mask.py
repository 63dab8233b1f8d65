"""A mask says which elements changed; with values it gives the original back."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run

from noisify.formats.arrays import ArrayType
from noisify.formats.npy.header import new_header, read_header

if TYPE_CHECKING:
    from pathlib import Path

VALUES = "--mask-values"


def mask_of(source: Path, *arguments: object, name: str = "mask") -> tuple[Path, Path]:
    """Add noise to a file with seed 1; return the paths of the noisy file and of the mask."""
    noisy = source.with_name(f"noisy-{source.name}")
    mask = source.with_name(f"{name}{source.suffix}")
    done = run(source, "-o", noisy, "--mask", mask, "--seed", 1, *arguments)
    assert (done.status, done.output) == (0, b""), done.messages
    return noisy, mask


def restored(noisy: Path, mask: Path, *arguments: object) -> Path:
    """Restore a file, and return its path."""
    target = noisy.with_name(noisy.name.replace("noisy", "restored"))
    done = run("--restore", mask, noisy, "-o", target, *arguments)
    assert (done.status, done.output, done.messages) == (0, b"", "")
    return target


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class TestCsvMask:
    def test_says_for_each_noised_cell_whether_it_changed(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("id,x,y\n1,1.5,2\n2,NA,3\n3,oops,4\n")
        _, mask = mask_of(table, "-s", 1, "-c", "x")
        assert "x\ntrue\nfalse\nfalse\n" == mask.read_text()

    def test_with_values_holds_the_bytes_that_stood_between_the_separators(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_bytes(b'x,y\r\n 1.50 ,"2.25"\r\nNA,3.5')
        _, mask = mask_of(table, "-s", 1, "-c", "*", VALUES)
        expected = 'x,x.original,y,y.original\ntrue," 1.50 ",true,"""2.25"""\nfalse,,true,"3.5"\n'
        assert expected == mask.read_text()

    def test_is_itself_a_csv_that_other_programs_read(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text('"a, ""b""",t\n1.5,"line\nend, ""quoted"""\n')
        _, mask = mask_of(table, "--noise", "*=normal:1", "--noise", "t=missing:100%", "-q", VALUES)
        read = list(csv.reader(io.StringIO(mask.read_text())))
        assert [
            ['a, "b"', 'a, "b".original', "t", "t.original"],
            ["true", "1.5", "true", '"line\nend, ""quoted"""'],
        ] == read

    def test_marks_exactly_the_cells_that_differ(self, tmp_path):
        table = tmp_path / "table.csv"
        rows = "".join(f"{i},{i / 7:.3f},word{i},{i}.5\n" for i in range(3000))
        table.write_text("i,x,t,y\n" + rows)
        noisy, mask = mask_of(
            table,
            *("--noise", "x=missing:30%", "--noise", "t=typo:40%", "--noise", "i=normal:0.5"),
        )
        before, after, marked = (list(csv.DictReader(path.open())) for path in (table, noisy, mask))
        assert len(before) == len(marked)
        for old, new, marks in zip(before, after, marked, strict=True):
            assert {n: str(old[n] != new[n]).lower() for n in ("i", "x", "t")} == marks

    def test_of_a_field_that_mixes_whole_numbers_and_others_marks_both(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("x\n" + "".join(f"{i}\n" for i in range(200000)) + "0.5\n1e3\n")
        noisy, mask = mask_of(table, "-s", 100, VALUES)
        assert mask.read_text().endswith('\ntrue,"0.5"\ntrue,"1e3"\n')
        assert table.read_bytes() == restored(noisy, mask).read_bytes()

    def test_of_a_table_without_rows_has_a_header(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("x,y\n")
        noisy, mask = mask_of(table, "-s", 1, "-c", "x", "-q", VALUES)
        assert "x,x.original\n" == mask.read_text()
        assert table.read_bytes() == restored(noisy, mask).read_bytes()

    def test_where_nothing_is_noised_is_blank(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("x\n1\n2\n")
        noisy, mask = mask_of(table, "-s", 1, "-c", "x", "--exclude", "x", "-q")
        assert "\n" == mask.read_text()
        assert table.read_bytes() == restored(noisy, mask).read_bytes()


TABLES = {
    "plain": b"a,b,t\n1.5,2,x\n2.5,3,y\n",
    "quoted": b'a,b,t\n"1.5","2","x, ""y"""\n2.5,3,"a\nb"\n',
    "crlf": b"a,b,t\r\n1.5,2,x\r\n2.5,3,y\r\n",
    "lone-cr": b"a,b,t\r1.5,2,x\r2.5,3,y\r",
    "blanks": b"a,b,t\n 1.50 ,\t2, x \n2.5 , 3,y \n",
    "empty-lines": b"a,b,t\n\n1.5,2,x\n\n\n2.5,3,y\n\n",
    "no-last-line-end": b"a,b,t\n1.5,2,x\n2.5,3,y",
    "bom": b"\xef\xbb\xbfa,b,t\n1.5,2,x\n2.5,3,y\n",
    "spelling": b"a,b,t\n+1.50,007,x\n1e3,2.50,y\n",
    "nulls": b"a,b,t\n1.5,,x\nNA,3,\nnan,-,null\n",
    "ragged-quotes": b'a,b,t\n1.5,2,"x"y\n2.5,3,"y"z"\n',
}
NOISES = {
    "normal": ("--noise", "a=normal:1", "--noise", "b=normal:10"),
    "missing": ("--noise", "*=missing:60%"),
    "typo": ("--noise", "t=typo:100%"),
    "everything": ("--noise", "a=normal:1", "--noise", "t=typo:80%", "--noise", "*=missing:30%"),
}


class TestCsvRestore:
    @pytest.mark.parametrize("noise", NOISES)
    @pytest.mark.parametrize("table", TABLES)
    def test_gives_the_bytes_back(self, tmp_path, table, noise):
        path = tmp_path / "table.csv"
        path.write_bytes(TABLES[table])
        noisy, mask = mask_of(path, *NOISES[noise], "-q", VALUES)
        assert path.read_bytes() == restored(noisy, mask).read_bytes()

    def test_gives_an_encoding_back(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_bytes("größe,wört\n1.5,Straße\n2.5,Köln\n".encode("latin-1"))
        options = ("--encoding", "latin-1")
        noisy, mask = mask_of(
            table, "--noise", "größe=normal:1", "--noise", "wört=typo:100%", *options, VALUES
        )
        assert noisy.read_bytes() != table.read_bytes()
        assert mask.read_bytes().startswith("größe,größe.original,wört,wört.original\n".encode())
        assert table.read_bytes() == restored(noisy, mask, *options).read_bytes()

    def test_gives_a_table_without_header_back(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("1.5;a\n2.5;b\n")
        options = ("--no-header", "--delimiter", ";")
        noisy, mask = mask_of(table, "-s", 1, *options, VALUES)
        assert 'true,"1.5"' == mask.read_text().splitlines()[1]
        assert table.read_bytes() == restored(noisy, mask, *options).read_bytes()

    def test_gives_a_tsv_back(self, tmp_path):
        table = tmp_path / "table.tsv"
        table.write_text('x\tt\n1.5\t"a,b"\n2.5\t,\n')
        noisy, mask = mask_of(table, "--noise", "x=normal:1", "--noise", "t=typo:100%", VALUES)
        assert "x\tx.original\tt\tt.original" == mask.read_text().splitlines()[0]
        assert table.read_bytes() == restored(noisy, mask).read_bytes()

    def test_gives_a_table_of_one_column_back(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text('x\n1.5\n\n"2.5"\n 3.5 \n')
        noisy, mask = mask_of(table, "-d", "missing", "--rate", "100%", VALUES)
        assert table.read_bytes() == restored(noisy, mask).read_bytes()

    @pytest.mark.parametrize("size", ["1k", "3k", "1m"])
    def test_does_not_mind_where_it_cuts(self, tmp_path, size):
        table = tmp_path / "table.csv"
        rows = "".join(f'{i / 7:.3f},"a {i}, ""b""\n",{i}\n' for i in range(2000))
        table.write_text("x,t,y\n" + rows)
        noise = ("--noise", "x=missing:30%", "--noise", "t=typo:40%")
        noisy, mask = mask_of(table, *noise, VALUES)
        assert table.read_bytes() == restored(noisy, mask, "--chunk-size", size).read_bytes()

    def test_reads_standard_input_and_writes_standard_output(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("x\n1.5\n2.5\n")
        noisy, mask = mask_of(table, "-s", 1, VALUES)
        done = run("--restore", mask, given=noisy.read_bytes())
        assert (0, table.read_bytes(), "") == (done.status, done.output, done.messages)

    def test_in_place_replaces_the_noisy_file(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("x\n1.5\n2.5\n")
        noisy, mask = mask_of(table, "-s", 1, VALUES)
        done = run("--restore", mask, noisy, "--in-place")
        assert (0, "") == (done.status, done.messages)
        assert table.read_bytes() == noisy.read_bytes()

    def test_says_how_much_it_gave_back(self, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("x,y\n1.5,NA\n2.5,3.5\n")
        noisy, mask = mask_of(table, "-s", 1, VALUES)
        done = run("--restore", mask, noisy, "-o", tmp_path / "back.csv", "-v")
        assert done.messages.endswith(": 3 elements restored\n")


class TestMaskBytes:
    """They are the same for the same command, however the work is shared out."""

    def sources(self, folder: Path) -> list[Path]:
        x = np.arange(24000) / 7
        table, array, parquet, tree = (
            folder / f"data.{suffix}" for suffix in ("csv", "npy", "parquet", "h5")
        )
        table.write_text("x,y\n" + "".join(f"{v:.4f},{v:.2f}\n" for v in x))
        np.save(array, np.asfortranarray(x.reshape(120, 200)))
        pq.write_table(pa.table({"x": x, "y": x.round(2)}), parquet, row_group_size=5000)
        with h5py.File(tree, "w") as file:
            file["flat"] = x
            file.create_dataset("cut", data=x.reshape(120, 200), chunks=(50, 30))
        return [table, array, parquet, tree]

    @pytest.mark.parametrize("values", [(), (VALUES,)], ids=["marks", "values"])
    @pytest.mark.parametrize("at", range(4), ids=["csv", "npy", "parquet", "hdf5"])
    def test_is_the_same_wherever_it_is_cut(self, tmp_path, at, values):
        source = self.sources(tmp_path)[at]
        noise = ("-d", "missing", "--rate", "30%", *values)
        _, whole = mask_of(source, *noise, name="whole")
        _, cut = mask_of(source, *noise, "--chunk-size", "1k", "-j", 2, name="cut")
        assert whole.read_bytes() == cut.read_bytes()

    def test_is_the_same_a_second_later(self, tmp_path):
        source = self.sources(tmp_path)[3]
        _, now = mask_of(source, "-s", 1, VALUES, name="now")
        time.sleep(1.1)
        _, later = mask_of(source, "-s", 1, VALUES, name="later")
        assert now.read_bytes() == later.read_bytes()


def wide_table() -> pa.Table:
    """Return a column of every kind that models work on, with nulls, and one they leave alone."""
    count = 40
    there = [i % 5 != 0 for i in range(count)]
    words = [f"word {i % 3}" if ok else None for i, ok in enumerate(there)]
    numbers = [i * 5 if ok else None for i, ok in enumerate(there)]
    odd = np.array([0x7FF8000000000123, 0xFFF0000000000001], np.uint64).view(np.float64)
    floats = np.where(np.arange(count) % 2, np.arange(count) / 7, odd[0])
    floats[2] = odd[1]
    decimals = [None if v is None else Decimal(v) / 100 for v in numbers]
    return pa.table(
        {
            "float": floats,
            "half": pa.array(np.arange(count, dtype=np.float16)),
            "int": pa.array(numbers, pa.int32()),
            "uint": pa.array(numbers, pa.uint8()),
            "decimal": pa.array(decimals, pa.decimal128(9, 2)),
            "long": pa.array(decimals, pa.decimal256(50, 2)),
            "flag": pa.array([None if v is None else v % 10 == 0 for v in numbers]),
            "text": pa.array(words),
            "large": pa.array(words, pa.large_string()),
            "view": pa.array(words, pa.string_view()),
            "label": pa.array(words).dictionary_encode(),
            "stamp": pa.array(numbers, pa.timestamp("us", "UTC")),
            "date": pa.array(numbers, pa.date32()),
            "time": pa.array(numbers, pa.time64("us")),
            "bytes": pa.array([b"ab"] * count),
        }
    )


class TestParquet:
    NOISE = (
        *("--noise", "float,half,int,uint,decimal,long=normal:3"),
        *("--noise", "text,large,view=typo:60%", "--noise", "flag,label=category-swap:50%"),
        *("--noise", "stamp,time=normal:9s", "--noise", "date=normal:9d"),
        *("--noise", "float,int,text,stamp,decimal=missing:30%"),
    )

    def noised(self, folder: Path, *arguments: object) -> tuple[Path, Path, Path]:
        source = folder / "table.parquet"
        schema = wide_table().schema.with_metadata({"made by": "a test"})
        pq.write_table(wide_table().cast(schema), source, row_group_size=15)
        return source, *mask_of(source, *self.NOISE, *arguments)

    def test_marks_exactly_the_values_that_differ(self, tmp_path):
        source, noisy, mask = self.noised(tmp_path)
        old, new, marks = (pq.read_table(path) for path in (source, noisy, mask))
        assert [name for name in old.column_names if name != "bytes"] == marks.column_names
        assert {pa.bool_()} == set(marks.schema.types)
        for name in marks.column_names:
            before, after = old[name].to_pylist(), new[name].to_pylist()
            pairs = zip(before, after, strict=True)
            expected = [str(b) != str(a) for b, a in pairs]  # NaN is like NaN here
            assert any(expected), name
            assert expected == marks[name].to_pylist(), name

    def test_has_the_row_groups_of_the_file(self, tmp_path):
        _, _, mask = self.noised(tmp_path, VALUES)
        groups = pq.ParquetFile(mask).metadata
        assert [15, 15, 10] == [groups.row_group(i).num_rows for i in range(3)]

    def test_holds_values_in_their_own_types(self, tmp_path):
        source, _, mask = self.noised(tmp_path, VALUES)
        old, marks = pq.read_table(source), pq.read_table(mask)
        for name in old.column_names[:-1]:
            kept = marks[f"{name}.original"]
            assert old.schema.field(name).type == kept.type
            pairs = zip(old[name].to_pylist(), marks[name].to_pylist(), strict=True)
            expected = [value if changed else None for value, changed in pairs]
            assert expected == kept.to_pylist()

    def test_is_undone_to_the_bit(self, tmp_path):
        source, noisy, mask = self.noised(tmp_path, VALUES)
        old, new = pq.ParquetFile(source), pq.ParquetFile(restored(noisy, mask))
        assert old.schema_arrow.equals(new.schema_arrow, check_metadata=True)
        assert old.metadata.num_row_groups == new.metadata.num_row_groups
        before, after = old.read(), new.read()
        bits = [t["float"].combine_chunks().view(pa.int64()) for t in (before, after)]
        assert bits[0].equals(bits[1])
        for name in before.column_names[1:]:
            assert before[name].to_pylist() == after[name].to_pylist(), name

    def test_where_nothing_is_noised_changes_nothing(self, tmp_path):
        source = tmp_path / "table.parquet"
        pq.write_table(pa.table({"x": [1.5, 2.5]}), source)
        noisy, mask = mask_of(source, "-s", 1, "-c", "x", "--exclude", "x", "-q", VALUES)
        assert pq.read_table(source).equals(pq.read_table(restored(noisy, mask)))

    def test_without_rows_is_restored(self, tmp_path):
        source = tmp_path / "table.parquet"
        pq.write_table(wide_table().slice(0, 0), source)
        noisy, mask = mask_of(source, "-s", 1, "-q", VALUES)
        assert pq.read_table(source).equals(pq.read_table(restored(noisy, mask)))


RECORD = np.dtype(
    {
        "names": ["x", "in", "v", "tag"],
        "formats": [">f4", [("a", "<i8"), ("größe", "<f8")], ("<f8", (2, 3)), "S3"],
        "offsets": [0, 8, 24, 72],
        "itemsize": 80,
    }
)


def record() -> np.ndarray[Any, Any]:
    values = np.frombuffer(np.random.default_rng(1).bytes(80 * 50), RECORD).copy()
    values["x"], values["v"], values["in"]["größe"] = 1.5, 2.5, np.arange(50)
    return values


ARRAYS = {
    "float": np.linspace(0, 1, 600).reshape(20, 30),
    "fortran": np.asfortranarray(np.linspace(0, 1, 600).reshape(20, 30)),
    "big-endian": (np.arange(600) * 50).astype(">i4"),
    "complex": np.arange(40) * (1 + 2j),
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 3)),
    "nan": np.array([0x7FF8000000000123, 0xFFF0000000000001, 0], np.uint64).view(np.float64),
    "time": np.arange(40).astype("M8[s]"),
    "text": np.array([f"word {i}" for i in range(40)]),
    "bool": np.arange(40) % 3 == 0,
    "structured": record(),
}
ARRAY_NOISE = {
    "text": ("-d", "typo", "--rate", "60%"),
    "bool": ("-d", "category-swap", "--rate", "50%"),
    "time": ("-s", "9s"),
    "nan": ("-d", "missing", "--rate", "60%"),
}


class TestNpy:
    def noised(self, folder: Path, array: str, *arguments: object) -> tuple[Path, Path, Path]:
        source = folder / "array.npy"
        np.save(source, ARRAYS[array])
        noise = (*ARRAY_NOISE.get(array, ("-s", 0.5)), "-c", "*")
        return source, *mask_of(source, *noise, "-q", *arguments)

    @pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
    @pytest.mark.parametrize("array", ARRAYS)
    def test_gives_the_bytes_back(self, tmp_path, array):
        source, noisy, mask = self.noised(tmp_path, array, VALUES)
        assert source.read_bytes() == restored(noisy, mask).read_bytes()

    @pytest.mark.parametrize("array", ["float", "fortran", "big-endian", "text", "bool"])
    def test_marks_exactly_the_elements_that_differ(self, tmp_path, array):
        source, noisy, mask = self.noised(tmp_path, array)
        marks = np.load(mask)
        assert marks.dtype == bool
        assert marks.flags.f_contiguous == np.load(source).flags.f_contiguous
        np.testing.assert_array_equal(np.load(source) != np.load(noisy), marks)

    def test_with_values_is_an_array_of_pairs(self, tmp_path):
        source, noisy, mask = self.noised(tmp_path, "big-endian", VALUES)
        old, marks = np.load(source), np.load(mask)
        assert np.dtype([("changed", "?"), ("original", ">i4")]) == marks.dtype
        changed = old != np.load(noisy)
        assert 0 < np.count_nonzero(changed) < old.size
        np.testing.assert_array_equal(changed, marks["changed"])
        np.testing.assert_array_equal(np.where(changed, old, 0), marks["original"])

    @pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
    def test_of_a_structured_array_has_a_member_for_each(self, tmp_path):
        _, _, mask = self.noised(tmp_path, "structured", VALUES)
        marks = np.load(mask)
        expected = np.dtype(
            [
                ("x", "?"), ("x.original", ">f4"),
                ("in.a", "?"), ("in.a.original", "<i8"),
                ("in.größe", "?"), ("in.größe.original", "<f8"),
                ("v", "?", (2, 3)), ("v.original", "<f8", (2, 3)),
            ]
        )  # fmt: skip
        assert expected == marks.dtype
        assert marks["v"].all()
        assert (marks["v.original"] == 2.5).all()

    def test_of_members_called_as_pairs_are_is_no_pair(self, tmp_path):
        source = tmp_path / "array.npy"
        np.save(source, np.zeros(9, [("changed", "f8"), ("original", "i8")]))
        _, marks = mask_of(source, "-s", 0.1, "-c", "*")
        assert np.load(marks)["changed"].all()
        assert not np.load(marks)["original"].any()
        noisy, mask = mask_of(source, "-s", 3, "-c", "*", VALUES)
        assert source.read_bytes() == restored(noisy, mask).read_bytes()

    def test_is_undone_in_small_pieces_from_standard_input(self, tmp_path):
        source, noisy, mask = self.noised(tmp_path, "float", VALUES)
        done = run("--restore", mask, "--chunk-size", 1024, given=noisy.read_bytes())
        assert (0, source.read_bytes(), "") == (done.status, done.output, done.messages)

    @pytest.mark.parametrize("name", ["x", "größe", "x" * 70000], ids=["ascii", "3.0", "long"])
    def test_has_a_header_that_numpy_reads(self, name):
        dtype = np.dtype([(name, "?"), ("y", "<f8", (2,))])
        header = new_header(ArrayType("mask", (3, 4), dtype, fortran=True))
        assert 0 == len(header.text) % 64
        assert header == read_header(header.text, "mask")
        loaded = np.load(
            io.BytesIO(header.text + bytes(12 * dtype.itemsize)), max_header_size=1 << 20
        )
        assert ((3, 4), dtype) == (loaded.shape, loaded.dtype)


H5DIFF = shutil.which("h5diff")


class TestHdf5:
    def noised(self, folder: Path, *arguments: object) -> tuple[Path, Path, Path]:
        source = folder / "tree.h5"
        values = np.linspace(1, 2, 600).reshape(20, 30)
        record = np.zeros(50, [("x", "<f8"), ("id", "<i8"), ("tag", "S4"), ("y", ">f4")])
        record["x"], record["id"], record["tag"] = np.arange(50), 7, b"ab"
        with h5py.File(source, "w") as file:
            file["a/flat"] = values
            file["a/flat"].attrs["unit"] = "Jy"
            file.create_dataset("a/cut", data=values, chunks=(7, 11), compression="gzip")
            file.create_dataset("table", data=record, chunks=(16,), compression="gzip")
            file["counts"] = np.arange(600, dtype=">u2") * 50
            file["flags"] = np.arange(40) % 3 == 0
            file["scalar"] = 2.5
            file["changed"] = np.arange(9.0)
            file.create_dataset("empty", shape=(0, 3), dtype="f8", maxshape=(None, 3))
            file["names"] = ["a", "b"]
        return source, *mask_of(
            source, "--noise", "*=normal:0.5", "--noise", "flags=category-swap:50%", *arguments
        )

    def test_marks_exactly_the_elements_that_differ(self, tmp_path):
        source, noisy, mask = self.noised(tmp_path)
        with h5py.File(source) as old, h5py.File(noisy) as new, h5py.File(mask) as marks:
            for path in ("a/flat", "a/cut", "counts", "flags", "scalar", "changed", "empty"):
                assert bool == marks[path].dtype
                np.testing.assert_array_equal(old[path][()] != new[path][()], marks[path][()])
            for member in ("x", "id", "y"):
                changed = old["table"][member] != new["table"][member]
                np.testing.assert_array_equal(changed, marks[f"table.{member}"][:])
            assert "names" not in marks
            assert "table" not in marks

    def test_with_values_holds_pairs(self, tmp_path):
        source, noisy, mask = self.noised(tmp_path, VALUES)
        with h5py.File(source) as old, h5py.File(noisy) as new, h5py.File(mask) as marks:
            assert np.dtype([("changed", "?"), ("original", ">f4")]) == marks["table.y"].dtype
            changed = old["counts"][:] != new["counts"][:]
            np.testing.assert_array_equal(changed, marks["counts"]["changed"])
            expected = np.where(changed, old["counts"][:], 0)
            np.testing.assert_array_equal(expected, marks["counts"]["original"])

    @pytest.mark.parametrize("size", ["1k", "2m"])
    def test_is_undone(self, tmp_path, size):
        source, noisy, mask = self.noised(tmp_path, VALUES)
        back = restored(noisy, mask, "--chunk-size", size)
        with h5py.File(source) as old, h5py.File(back) as new:
            assert [*old, *old["a"]] == [*new, *new["a"]]
            assert "Jy" == new["a/flat"].attrs["unit"]
            for path in ("a/flat", "a/cut", "counts", "flags", "scalar", "table", "empty"):
                assert old[path].dtype == new[path].dtype
                assert np.asarray(old[path]).tobytes() == np.asarray(new[path]).tobytes()

    @pytest.mark.skipif(H5DIFF is None, reason="needs h5diff")
    def test_leaves_nothing_that_h5diff_sees(self, tmp_path):
        source, noisy, mask = self.noised(tmp_path, VALUES)
        compare = [H5DIFF, "-v"]
        found = [
            subprocess.run([*compare, source, other], capture_output=True, check=False).returncode
            for other in (noisy, restored(noisy, mask))
        ]
        assert [1, 0] == found

    def test_reads_a_mask_that_was_packed_since(self, tmp_path):
        source, noisy, mask = self.noised(tmp_path, VALUES)
        with h5py.File(mask, "r+") as marks:
            pairs = marks["a/flat"][:]
            del marks["a/flat"]
            marks.create_dataset("a/flat", data=pairs, chunks=(3, 3), compression="gzip")
        with h5py.File(source) as old, h5py.File(restored(noisy, mask)) as new:
            np.testing.assert_array_equal(old["a/flat"][:], new["a/flat"][:])


class TestMistakes:
    """Each is one line that says what to do, and no file is left."""

    def table(self, folder: Path, text: str = "x,t\n1.5,a\n2.5,b\n") -> Path:
        path = folder / "table.csv"
        path.write_text(text)
        return path

    def refused(self, status: int, *arguments: object) -> str:
        """Return what the one line says."""
        done = run(*arguments)
        assert (status, b"") == (done.status, done.output), done.messages
        assert 1 == len(done.lines)
        return done.messages

    def restoring(self, folder: Path, mask: Path, noisy: Path, status: int = 3) -> str:
        before = files(folder)
        message = self.refused(
            status, "--restore", mask, noisy, "-o", folder / f"back{noisy.suffix}"
        )
        assert before == files(folder)
        return message

    def test_a_mask_on_standard_output(self, tmp_path):
        table = self.table(tmp_path)
        message = self.refused(
            2, table, "-s", 1, "-o", tmp_path / "out.csv", "--mask", "-", "--seed", 1
        )
        assert "--mask needs a file, not standard output" in message
        assert {"table.csv"} == files(tmp_path)

    def test_a_mask_called_as_another_format(self, tmp_path):
        table = self.table(tmp_path)
        out, mask = tmp_path / "out.csv", tmp_path / "mask.npy"
        message = self.refused(2, table, "-s", 1, "-o", out, "--mask", mask, "--seed", 1)
        assert "name it mask.csv" in message

    def test_values_without_a_mask(self, tmp_path):
        table = self.table(tmp_path)
        message = self.refused(2, table, "-s", 1, "-o", tmp_path / "out.csv", VALUES)
        assert "add --mask FILE" in message

    def test_a_failure_leaves_neither_output_nor_mask(self, tmp_path):
        table = self.table(tmp_path, "x,t\n" + "1.5,a\n" * 1000 + "2.5\n")
        out, mask = tmp_path / "out.csv", tmp_path / "mask.csv"
        self.refused(3, table, "-s", 1, "-o", out, "--mask", mask, "--chunk-size", "1k")
        assert {"table.csv"} == files(tmp_path)

    def test_a_name_that_the_mask_needs_for_itself(self, tmp_path):
        table = self.table(tmp_path, "x,x.original\n1.5,2.5\n")
        out, mask = tmp_path / "out.csv", tmp_path / "mask.csv"
        arguments = (table, "-s", 1, "-o", out, "--mask", mask, "--seed", 1)
        message = self.refused(2, *arguments, VALUES)
        assert "two columns 'x.original'" in message
        assert 0 == run(*arguments).status
        assert 0 == run(*arguments, VALUES, "--exclude", "x.original").status

    @pytest.mark.parametrize("suffix", ["csv", "npy", "parquet", "h5"])
    def test_a_mask_without_values(self, tmp_path, suffix):
        source = tmp_path / f"data.{suffix}"
        if suffix == "csv":
            source.write_text("x\n1.5\n")
        elif suffix == "npy":
            np.save(source, np.arange(9.0))
        elif suffix == "parquet":
            pq.write_table(pa.table({"x": [1.5]}), source)
        else:
            with h5py.File(source, "w") as file:
                file["x"] = 1.5
        noisy, mask = mask_of(source, "-s", 1)
        message = self.restoring(tmp_path, mask, noisy, status=2)
        assert "make the mask with --mask-values" in message

    @pytest.mark.parametrize("rows", [1, 3, 500])
    def test_a_mask_of_another_number_of_rows(self, tmp_path, rows):
        table = self.table(tmp_path)
        noisy, mask = mask_of(table, "-s", 1, VALUES)
        header, row = mask.read_text().splitlines()[:2]
        mask.write_text(f"{header}\n" + f"{row}\n" * rows)
        message = self.restoring(tmp_path, mask, noisy)
        assert f"has 2 rows, and its mask {mask} has {rows}" in message

    def test_a_mask_of_other_fields(self, tmp_path):
        table = self.table(tmp_path)
        noisy, mask = mask_of(table, "-s", 1, VALUES)
        mask.write_text(mask.read_text().replace("x", "z"))
        assert "field 'z': is not a field of the noisy file" in self.restoring(
            tmp_path, mask, noisy
        )

    def test_a_mask_whose_fields_were_moved(self, tmp_path):
        table = self.table(tmp_path, "x,y\n1.5,2.5\n")
        noisy, mask = mask_of(table, "-s", 1, VALUES)
        mask.write_text('y,y.original,x,x.original\ntrue,"2.5",true,"1.5"\n')
        assert "in another order" in self.restoring(tmp_path, mask, noisy)

    def test_a_mark_that_is_neither_true_nor_false(self, tmp_path):
        table = self.table(tmp_path)
        noisy, mask = mask_of(table, "-s", 1, VALUES)
        mask.write_text('x,x.original\ntrue,"1.5"\nyes,"2.5"\n')
        message = self.restoring(tmp_path, mask, noisy)
        assert f"{mask}, line 3: has 'yes' for true or false" in message

    def test_a_mask_of_another_format(self, tmp_path):
        noisy, _ = mask_of(self.table(tmp_path), "-s", 1, VALUES)
        array = tmp_path / "array.npy"
        np.save(array, np.arange(9.0))
        other, mask = mask_of(array, "-s", 1, VALUES)
        assert "is NPY, and the mask of a CSV file is CSV" in self.restoring(tmp_path, mask, noisy)
        table_mask = tmp_path / "mask.csv"
        message = self.restoring(tmp_path, table_mask, other)
        assert "is CSV, and the mask of an NPY file is NPY, NPZ or HDF5" in message

    def test_an_array_of_another_shape_or_type(self, tmp_path):
        array = tmp_path / "array.npy"
        np.save(array, np.arange(9.0))
        noisy, mask = mask_of(array, "-s", 1, VALUES)
        np.save(noisy, np.arange(8.0))
        message = self.restoring(tmp_path, mask, noisy)
        assert "is of shape (9,), and the noisy array of shape (8,)" in message
        np.save(noisy, np.arange(9, dtype="f4"))
        assert "where this array's mask has" in self.restoring(tmp_path, mask, noisy)

    def test_a_table_of_another_length_or_other_types(self, tmp_path):
        source = tmp_path / "table.parquet"
        table = pa.table({"x": np.arange(9.0)})
        pq.write_table(table, source)
        noisy, mask = mask_of(source, "-s", 1, VALUES)
        pq.write_table(table.slice(1), noisy)
        assert "has 8 rows, and its mask" in self.restoring(tmp_path, mask, noisy)
        pq.write_table(pa.table({"x": np.arange(9)}), noisy)
        assert "where the mask of int64 has" in self.restoring(tmp_path, mask, noisy)
        pq.write_table(pa.table({"y": np.arange(9)}), noisy)
        assert "field 'x': is not a field" in self.restoring(tmp_path, mask, noisy)

    def test_datasets_of_other_names_shapes_and_types(self, tmp_path):
        source = tmp_path / "tree.h5"
        with h5py.File(source, "w") as file:
            file["x"] = np.arange(9.0)
        noisy, mask = mask_of(source, "-s", 1, VALUES)
        for name, values, expected in (
            ("x", np.arange(8.0), "is of shape (9,), and the noisy array of shape (8,)"),
            ("x", np.arange(9), "where this array's mask has"),
            ("y", np.arange(9.0), "field 'x': is not a field"),
        ):
            with h5py.File(noisy, "w") as file:
                file[name] = values
            assert expected in self.restoring(tmp_path, mask, noisy)

    def test_a_damaged_mask(self, tmp_path):
        array = tmp_path / "array.npy"
        np.save(array, np.arange(9.0))
        noisy, mask = mask_of(array, "-s", 1, VALUES)
        os.truncate(mask, mask.stat().st_size - 1)
        assert f"{mask}: is cut short" in self.restoring(tmp_path, mask, noisy)

    def test_a_target_that_is_the_mask_or_the_noisy_file(self, tmp_path):
        noisy, mask = mask_of(self.table(tmp_path), "-s", 1, VALUES)
        for target in (noisy, mask):
            message = self.refused(2, "--restore", mask, noisy, "-o", target)
            assert "is also the input" in message

    def test_a_target_of_another_format(self, tmp_path):
        noisy, mask = mask_of(self.table(tmp_path), "-s", 1, VALUES)
        message = self.refused(2, "--restore", mask, noisy, "-o", tmp_path / "back.npy")
        assert "CSV cannot be written as NPY" in message

    def test_a_mask_from_standard_input(self, tmp_path):
        noisy, _ = mask_of(self.table(tmp_path), "-s", 1, VALUES)
        message = self.refused(2, "--restore", "-", noisy, "-o", tmp_path / "back.csv")
        assert "needs the mask as a file" in message

    def test_a_mask_that_is_not_there(self, tmp_path):
        table = self.table(tmp_path)
        message = self.restoring(tmp_path, tmp_path / "none.csv", table, status=1)
        assert "none.csv: cannot be read: No such file" in message
