from __future__ import annotations

import csv
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
import polars as pl
from conformance import FormatConformance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Columns = Mapping[str, NDArray]


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
