"""A column of every type that Arrow has, for the tests of Arrow IPC and of Parquet."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

ROWS = 6
NUMBERS = [1, 2, None, 4, 5, 6]
FLOATS = [1.5, 2.5, None, 4.5, 5.5, 6.5]
TEXTS = ["a", "bb", None, "", "é" * 9, "f"]
LISTS = [[1.5], [], None, [2.5, None], [1.0], [3.0]]
OFFSETS = pa.array([0, 0, 2, 2, 4, 5, 6], pa.int32())
DECIMALS = [None if number is None else Decimal(number) / 4 for number in NUMBERS]
FLAGS = pa.array([0, 1] * 3, pa.int8())


def bytes_of(texts: list[str | None]) -> list[bytes | None]:
    return [None if text is None else text.encode() for text in texts]


def plain() -> dict[str, pa.Array]:
    """Return a column of every type that is neither nested nor encoded in some way."""
    found = {
        name: pa.array(NUMBERS, getattr(pa, name)())
        for name in (
            "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "date32",
        )
    }  # fmt: skip
    found |= {name: pa.array(FLOATS, getattr(pa, name)()) for name in ("float32", "float64")}
    found |= {name: pa.array(TEXTS, getattr(pa, name)()) for name in ("string", "large_string")}
    found |= {
        name: pa.array(bytes_of(TEXTS), getattr(pa, name)()) for name in ("binary", "large_binary")
    }
    for unit in ("s", "ms", "us", "ns"):
        found[f"timestamp[{unit}]"] = pa.array(NUMBERS, pa.timestamp(unit))
        found[f"timestamp[{unit}, tz]"] = pa.array(NUMBERS, pa.timestamp(unit, "Europe/Paris"))
        found[f"duration[{unit}]"] = pa.array(NUMBERS, pa.duration(unit))
    for bits, digits in ((32, 9), (64, 18), (128, 38), (256, 76)):
        found[f"decimal{bits}"] = pa.array(DECIMALS, getattr(pa, f"decimal{bits}")(digits, 2))
    return found | {
        "null": pa.nulls(ROWS),
        "bool": pa.array([True, False, None] * 2),
        "float16": pa.array(FLOATS, pa.float16()),
        "date64": pa.array([None if n is None else n * 86400000 for n in NUMBERS], pa.date64()),
        "time32[s]": pa.array(NUMBERS, pa.time32("s")),
        "time64[ns]": pa.array(NUMBERS, pa.time64("ns")),
        "interval": pa.array([(1, 2, 3), None] * 3, pa.month_day_nano_interval()),
        "binary[3]": pa.array([b"abc", None] * 3, pa.binary(3)),
        "string_view": pa.array(TEXTS, pa.string_view()),
        "binary_view": pa.array(bytes_of(TEXTS), pa.binary_view()),
    }


def others() -> dict[str, pa.Array]:
    """Return a column of every other type."""
    sparse = pa.UnionArray.from_sparse(FLAGS, [pa.array(NUMBERS), pa.array(FLOATS)])
    places = pa.array([0, 0, 1, 1, 2, 2], pa.int32())
    dense = pa.UnionArray.from_dense(FLAGS, places, [pa.array(NUMBERS), pa.array(FLOATS)])
    runs = pc.run_end_encode(pa.array(FLOATS))
    words = pa.array(TEXTS).dictionary_encode()
    interval = plain()["interval"]
    tensor = pa.fixed_shape_tensor(pa.float32(), (2,))
    pairs = pa.array([[1.5, 2.5]] * ROWS, pa.list_(pa.float32(), 2))
    uuids = pa.array([b"0123" * 4] * ROWS, pa.binary(16))
    return {
        "list": pa.array(LISTS),
        "large_list": pa.array(LISTS, pa.large_list(pa.float64())),
        "list_view": pa.array(LISTS, pa.list_view(pa.float64())),
        "large_list_view": pa.array(LISTS, pa.large_list_view(pa.float64())),
        "fixed list": pa.array([[1.5, 2.5], None] * 3, pa.list_(pa.float32(), 2)),
        "fixed list of none": pa.array([[], None] * 3, pa.list_(pa.float32(), 0)),
        "map": pa.array([[("a", 1.5)], [], None] * 2, pa.map_(pa.string(), pa.float64())),
        "struct": pa.array([{"a": 1.5, "b": "q"}, None] * 3),
        "struct of none": pa.array([{}, None] * 3, pa.struct([])),
        "dictionary of texts": words,
        "dictionary of floats": pa.array(FLOATS).dictionary_encode(),
        "runs": runs,
        "sparse union": sparse,
        "dense union": dense,
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), uuids),
        "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}"] * ROWS)),
        "tensor": pa.ExtensionArray.from_storage(tensor, pairs),
        "opaque": pa.ExtensionArray.from_storage(
            pa.opaque(pa.float64(), "name", "vendor"), pa.array(FLOATS)
        ),
        "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None] * 2, pa.int8())),
        "list of unions": pa.ListArray.from_arrays(OFFSETS, sparse),
        "struct of unions": pa.StructArray.from_arrays([dense, pa.array(FLOATS)], ["u", "f"]),
        "list of runs": pa.ListArray.from_arrays(OFFSETS, runs),
        "list of intervals": pa.ListArray.from_arrays(OFFSETS, interval),
        "list of dictionaries": pa.ListArray.from_arrays(OFFSETS, words),
        "struct of intervals": pa.StructArray.from_arrays([interval, pa.array(FLOATS)], ["i", "f"]),
    }


TYPES = plain() | others()
