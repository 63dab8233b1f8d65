from __future__ import annotations

import csv
import itertools
from typing import TYPE_CHECKING, ClassVar

import duckdb
import numpy as np
import pandas as pd
import polars as pl
from conformance import FormatConformance

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Columns = Mapping[str, NDArray]


KEPT = {
    "id": "007",
    "empty": "",
    "long": "9007199254740993",
    "digits": "1.50",
    "power": "1E+05",
    "blank": "  a ",
    "quotes": 'say "no"',
    "comma": "a,b",
    "lines": "a\nb",
    "day": "2024-02-29",
    "yes": "TRUE",
    "größe, m": "é€😀",
    "nothing": "NA",
}
"""A cell of every kind that a tool which writes a table anew would change."""


class TextConformance(FormatConformance):
    dtypes = ("f8", "i8")
    closes = False
    style: ClassVar[dict[str, str]] = {}
    """How pandas is to write and read such a file."""

    def write(self, path: Path, columns: Columns) -> None:
        pd.DataFrame(columns).to_csv(path, index=False, **self.style)

    def read(self, path: Path) -> Columns:
        style = {name: value for name, value in self.style.items() if name != "lineterminator"}
        table = pd.read_csv(path, **style)
        return {name: table[name].to_numpy() for name in table}


class TestCsv(TextConformance):
    suffix = ".csv"

    def specimens(self, folder: Path) -> Iterator[Path]:
        quotings = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
        for number, (end, quoting) in enumerate(itertools.product(["\n", "\r\n"], quotings)):
            path = folder / f"{number}.csv"
            with path.open("w", newline="") as file:
                writer = csv.writer(file, quoting=quoting, lineterminator=end)
                writer.writerows([["x", *KEPT], *([i / 8, *KEPT.values()] for i in range(50))])
            yield path

    def neighbours(self, path: Path) -> dict[str, Hashable]:
        """Return all cells but those of the first column, by Python's csv and by DuckDB."""
        with path.open(newline="") as file:
            cells = [tuple(row[1:]) for row in csv.reader(file)]
        assert tuple(KEPT) == cells[0]
        assert len(cells) == 51
        table = duckdb.read_csv(str(path), all_varchar=True, header=True).fetchall()
        return {"csv": tuple(cells), "DuckDB": tuple(row[1:] for row in table)}


class TestTsvByPolars(TextConformance):
    suffix = ".tsv"

    def write(self, path: Path, columns: Columns) -> None:
        pl.DataFrame(dict(columns)).fill_nan(None).write_csv(path, separator="\t")

    def read(self, path: Path) -> Columns:
        table = pl.read_csv(path, separator="\t")
        return {name: table[name].to_numpy() for name in table.columns}


class TestCsvModule(TextConformance):
    suffix = ".csv"

    def write(self, path: Path, columns: Columns) -> None:
        with path.open("w", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(columns)
            writer.writerows(zip(*(v.tolist() for v in columns.values()), strict=True))

    def read(self, path: Path) -> Columns:
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        cells = np.array(rows).reshape(-1, len(header))
        whole = all(cell.lstrip("-").isdigit() for cell in cells.flat)
        return {n: cells[:, at].astype("i8" if whole else "f8") for at, n in enumerate(header)}


class TestUtf16(TextConformance):
    suffix = ".csv"
    style: ClassVar[dict[str, str]] = {"encoding": "utf-16", "lineterminator": "\r\n"}


class TestEbcdic(TextConformance):
    suffix = ".csv"
    style: ClassVar[dict[str, str]] = {"encoding": "cp037"}
    options = ("--encoding", "cp037")


class TestDecimalComma(TextConformance):
    suffix = ".csv"
    style: ClassVar[dict[str, str]] = {"sep": ";", "decimal": ",", "lineterminator": "\r"}
    options = ("--decimal", ",")
