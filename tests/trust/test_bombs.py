"""Small inputs that would take endless time or memory: a message, or work in proportion."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tomllib
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
import pytest
from h5py import h5d, h5g
from run_command import noisy, run

from noisify import add_noise
from noisify.core.chunk import Field
from noisify.core.errors import NoisifyWarning, printable
from noisify.formats.csv.delimiters import MOST_COLUMNS
from noisify.formats.hdf5 import storage, tree
from noisify.formats.hdf5.tree import own_object
from noisify.plan.condition import parse

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = "9" * 5000
TABLE = b"a,b\n1.5,2\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(TABLE)
    return path


class TestTypedWords:
    """What is typed has an end, too."""

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--replicates", 10**9, "--output-dir", "o"), "at most 100,000 are made"),
            (("--replicates", DIGITS, "--output-dir", "o"), "--replicates"),
            (
                ("--sweep", "scale=1:9999:1", "--sweep", "df=1:9999:1", "--output-dir", "o"),
                "99,980,001 outputs",
            ),
            (("--sweep", "scale=1e9999:1e99999:1", "--output-dir", "o"), "too long"),
            (("--sweep", f"scale=1:{DIGITS}:1", "--output-dir", "o"), "too long"),
            (("--chunk-size", "1" + "0" * 24), "is not a size from 1 to 1024g"),
            (("--chunk-size", DIGITS), "is not a size"),
            (("--chunk-size", "1e24"), "is not a size"),
            (("--decimals", DIGITS), "is neither a number of digits nor keep"),
            (("--seed", DIGITS), "is not an integer"),
            (("--scale", DIGITS), "must be a finite number"),
            (("--scale", DIGITS * 20), "must be a finite number"),
            (("--scale", DIGITS + "?"), "is not a level"),
            (("--skip-lines", DIGITS), "--skip-lines"),
            (("--noise", f"model=normal,scale={DIGITS}"), "must be a finite number"),
            (("--where", "(" * 20_000 + "a > 1" + ")" * 20_000), "more than 50 deep"),
            (("--where", "not " * 20_000 + "a > 1"), "more than 50 deep"),
            (("--where", "-" * 20_000 + "a > 1"), "more than 50 deep"),
        ],
        ids=str,
    )
    def test_is_refused_in_a_line(self, table, options, message):
        if "--seed" not in options:
            options = ("--seed", 1, *options)
        done = run(table, "-o", table.with_name("o.csv"), *options)

        assert (2, 1) == (done.status, len(done.lines)), done.messages[:500]
        assert message in done.messages
        assert len(done.messages) < 2200

    @pytest.mark.parametrize(
        "condition",
        [
            f"a < {DIGITS}",
            f"a in ({','.join(map(str, range(5000)))}, 1.5)",
            " or ".join(["a > 1"] * 5000),
            "+".join(["a"] * 5000) + " > 1",
        ],
        ids=["digits", "choices", "ors", "sums"],
    )
    def test_a_long_condition_is_worked_out(self, table, condition):
        assert noisy(table, "-s", 1) == noisy(table, "-s", 1, "--where", condition)

    def test_fifty_brackets_are_read(self):
        assert parse("(" * 50 + "a > 1" + ")" * 50).fields == {"a"}


class TestFiles:
    """A file may be made to cost more than it is long."""

    @pytest.mark.parametrize("sign", [",", ";", "\t"])
    @pytest.mark.parametrize("end", ["", "\n", "\n1"])
    def test_more_columns_than_any_table_has(self, tmp_path, sign, end):
        path = tmp_path / "t.csv"
        line = sign * MOST_COLUMNS
        path.write_text(line + end.replace("1", line))

        done = run(path, "-o", tmp_path / "o.csv", "--seed", 1, "-s", 1)

        assert (3, 1) == (done.status, len(done.lines))
        assert "has more than 200,000 columns" in done.messages

    def test_many_columns_are_settled_in_proportion(self, tmp_path):
        path = tmp_path / "t.csv"
        path.write_text(",".join(map("c{}".format, range(5000))) + "\n" + "1.5," * 4999 + "1.5\n")
        counted = 0

        def count(*_: object) -> bool:
            nonlocal counted
            counted += 1
            return True

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Field, "__eq__", count)
            done = run(path, "-o", tmp_path / "o.csv", "--seed", 1, "-s", 1)

        assert done.status == 0
        assert counted < 50_000

    def test_a_recipe_without_end(self, table):
        done = run(table, "-o", table.with_name("o.csv"), "--recipe", "/dev/zero")

        assert (2, 1) == (done.status, len(done.lines))
        assert "longer than 64 MiB" in done.messages

    @pytest.mark.parametrize(
        ("module", "suffix", "count"),
        [(gzip, "gz", 20_000), (bz2, "bz2", 5000), (lzma, "xz", 5000)],
    )
    def test_empty_members(self, tmp_path, module, suffix, count):
        path = tmp_path / f"t.csv.{suffix}"
        empty = module.compress(b"")
        path.write_bytes(module.compress(TABLE[:6]) + empty * count + module.compress(TABLE[6:]))

        run(path, "-o", tmp_path / "o.csv", "-s", 1, "--seed", 1)

        assert noisy("-", "-s", 1, given=TABLE) == (tmp_path / "o.csv").read_bytes()

    @pytest.mark.parametrize("suffix", ["h5", "npz"])
    def test_groups_in_groups(self, tmp_path, suffix):
        path = tmp_path / "in.h5"
        with h5py.File(path, "w") as file:
            group = file
            for _ in range(1500):
                group = group.create_group("g")
            group["x"] = np.zeros(3)

        done = run(path, "-o", tmp_path / f"o.{suffix}", "-s", 1, "--seed", 1)

        assert done.status == 0, done.messages

    @pytest.mark.parametrize("suffix", ["h5", "npz"])
    def test_datasets_in_groups_in_groups(self, tmp_path, monkeypatch, suffix):
        opened = []  # how many groups are on the way of each opening

        def counted(function):
            def count(place, name, *rest):
                opened.append(name.count(b"/") + 1)
                return function(place, name, *rest)

            return count

        for module in (h5d, h5g):
            monkeypatch.setattr(module, "open", counted(module.open))
        counts = []
        for depth in (20, 40):
            path = tmp_path / "in.h5"
            with h5py.File(path, "w") as file:
                for name in ("g/" * at + "x" for at in range(depth)):
                    file.create_dataset(name, data=np.zeros(3), chunks=(2,), compression="lzf")
            opened.clear()
            done = run(path, "-o", tmp_path / f"{depth}.{suffix}", "-s", 1, "--seed", 1)
            assert done.status == 0, done.messages
            counts.append(sum(opened))

        assert 20 < counts[0]
        assert counts[1] < 2.2 * counts[0]

    def test_groups_called_as_indexes_in_groups(self, tmp_path, monkeypatch):
        walks = []

        def count(group, name):
            walks.append(name)
            return own_object(group, name)

        with h5py.File(tmp_path / "in.h5", "w") as file:
            for at in range(1, 30):
                file["_i_/" * at + "x"] = np.zeros(3)
        monkeypatch.setattr(tree, "own_object", count)

        done = run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", "-s", 1, "--seed", 1)

        assert done.status == 0, done.messages
        assert len(walks) <= 30

    @pytest.mark.parametrize("model", ["pink", "ar1", "brown", "shuffle"])
    def test_the_smallest_chunks(self, tmp_path, model):
        path = tmp_path / "t.csv"
        path.write_text("a\n" + "1.5\n2.5\n" * 1000)
        level = () if model == "shuffle" else ("--sd", 1)

        one = noisy(path, "-d", model, *level, "--chunk-size", 1)

        assert noisy(path, "-d", model, *level) == one


ODD = "a\x1b[31m\x07\x9b\u202e\u2028b"


class TestControls:
    """No byte of a file, and no name, reaches a terminal as anything but text."""

    def plain(self, text: str) -> None:
        assert printable(text.replace("\n", "")) == text.replace("\n", "")

    @pytest.mark.parametrize("options", [(), ("-v",), ("--dry-run",), ("--dry-run", "-v")])
    def test_are_escaped(self, tmp_path, options):
        path = tmp_path / f"{ODD}.csv"
        path.write_text(f'{ODD},"x\n{ODD}"\n1.5,{ODD}\n2.5,{ODD}\n', "utf-8")

        words = () if "--dry-run" in options else ("-o", tmp_path / "o.csv")
        done = run(path, *words, "--seed", 1, "-s", 1, *options)

        assert done.status == 0
        self.plain(done.messages)
        self.plain(done.output.decode())
        if options == ("--dry-run", "-v"):
            assert tomllib.loads(done.output.decode())["noise"][0]["field"].endswith("b")

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("none.csv", ("-c", "x")),
            ("t.csv", ("-c", ODD + "?")),
            ("t.csv", ("-c", "y", "-s", 1)),
            ("t.csv", ("-s", ODD)),
            ("t.csv", ("-d", ODD)),
            ("t.csv", (f"--{ODD}",)),
            ("t.csv", ("--where", ODD)),
            ("t.csv", ("-c", "y", "--where", f"y < '{ODD}'", "-s", 1)),
            ("t.csv", ("-c", "y", "--noise", ODD)),
        ],
        ids=str,
    )
    def test_of_errors_are_escaped(self, tmp_path, name, options):
        (tmp_path / ODD).mkdir()
        (tmp_path / ODD / "t.csv").write_text(f"{ODD},y\n1.5,{ODD}\n", "utf-8")

        done = run(tmp_path / ODD / name, "-o", tmp_path / "o.csv", "--seed", 1, *options)

        assert done.status in {1, 2, 3}
        assert len(done.lines) == 1
        self.plain(done.messages)

    def test_of_reports_are_escaped_and_read_back(self, tmp_path):
        path = tmp_path / "t.csv"
        path.write_bytes(f"{ODD},".encode() + b"\xff\n" + b"1.5,2.5\n" * 100 + b"1,\xff\n")
        report = tmp_path / "r.json"

        done = run(path, "-o", tmp_path / "o.csv", "--seed", 1, "-s", 1, "--report", report)

        assert done.status == 0, done.messages
        text = report.read_bytes().decode("utf-8")
        self.plain(text)
        assert ODD in json.loads(text)["fields"]

    def test_of_warnings_are_escaped(self):
        with pytest.warns(NoisifyWarning, match="x1b") as found:
            add_noise(pd.DataFrame({ODD: [np.nan]}), scale=1, seed=1)

        self.plain(str(found[0].message))


@pytest.mark.parametrize("error", [KeyError("a\nb"), RuntimeError("x"), NotImplementedError("y")])
@pytest.mark.parametrize("suffix", ["h5", "npz"])
def test_whatever_the_hdf5_library_raises_is_told(tmp_path, monkeypatch, error, suffix):
    path = tmp_path / "in.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(9), chunks=(3,), fletcher32=True)

    def fail(*_: object, **__: object) -> None:
        raise error

    target = tmp_path / f"o.{suffix}"
    what = (storage.Chunked, "read") if suffix == "h5" else (h5py.Dataset, "__getitem__")
    monkeypatch.setattr(*what, fail)
    done = run(path, "-o", target, "-s", 1, "--seed", 1)

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert not target.exists()
