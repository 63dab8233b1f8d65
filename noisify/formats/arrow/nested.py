"""Take the leaves out of columns of structs, lists and maps, and put them back.

A leaf is named by its path: `point.x` in a struct, `readings[]` and `readings[].v` in a list,
`m[].key` and `m[].value` in a map. The positions of a leaf inside lists count the elements of all
lists of the column, in order. A null fixed-size list still counts with all its slots, as Arrow
stores it; any other null list has no elements.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from noisify.core.arrow_arrays import (
    array,
    bools,
    is_list,
    is_opaque,
    list_like,
    rows_of,
    to_numpy,
    validity,
)
from noisify.core.chunk import NUMBER_KINDS, Field, distinct_names, renaming_note
from noisify.core.value_class import frozen
from noisify.formats.arrow.columns import kind_of, value_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Kind
    from noisify.core.dtypes import NumberType

ROWS = ""
"""The table of the leaves with one value per row."""

_KEYS = "the keys of a map"
_INDEX = "an index of pandas"
_COVERING = "a bounding box of GeoParquet"
_GEOMETRY = "a geometry of GeoParquet"


@frozen
class Leaf:
    """A column, or the innermost values in a column of structs and lists.

    Attributes:
        name: The name of the leaf.
        column: The index of its column.
        steps: The path to it: the index of the child in each struct and map (0 for a map's keys).
        type: The type of its values.
        nullable: Whether it may itself be null.
        table: `ROWS`, or the name of the innermost list around it.
        role: Its role if it does not hold measurements, else empty.
    """

    name: str
    column: int
    steps: tuple[int, ...]
    type: pa.DataType
    nullable: bool
    table: str
    role: str = ""

    def field(self) -> Field:
        """Return the leaf as a field."""
        kind, text, number = _described(self.type)
        return Field(
            self.name,
            kind,
            text,
            number,
            table=self.table,
            nullable=self.nullable,
            role=self.role,
        )


@lru_cache(maxsize=256)
def _described(kind: pa.DataType) -> tuple[Kind, str, NumberType | None]:
    """Return the kind, name and number type of an Arrow type."""
    return kind_of(kind), str(kind), value_type(kind)


def leaves_of(schema: pa.Schema) -> tuple[Leaf, ...]:
    """Return the leaves of all columns, in order, with distinct names.

    If names clash, columns keep theirs, and leaves inside structs and lists are renamed.
    """
    every = _leaves(schema)
    inner = [number for number, leaf in enumerate(every) if _is_inner(leaf)]
    texts = [*schema.names, *(every[number].name for number in inner)]
    for number, name in zip(inner, distinct_names(texts)[len(schema) :], strict=True):
        every[number] = replace(every[number], name=name)
    return tuple(every)


def naming_note(schema: pa.Schema, source: str, leaves: Sequence[Leaf]) -> str | None:
    """Return a note on the fields whose names differ from those in the file, or None.

    Args:
        schema: The schema.
        source: The file's name.
        leaves: The leaves of the schema.
    """
    inner: list[str] = []
    if any(map(_is_inner, leaves)):
        inner = [leaf.name for leaf in _leaves(schema) if _is_inner(leaf)]
    note = renaming_note([*schema.names, *inner])
    return None if note is None else f"{source} {note}"


def _leaves(schema: pa.Schema) -> list[Leaf]:
    """Return the leaves of all columns; those inside columns may share names with others."""
    names = distinct_names(schema.names)
    columns = enumerate(zip(names, schema, strict=True))
    tops = (Leaf(name, at, (), each.type, each.nullable, ROWS) for at, (name, each) in columns)
    return [leaf for top in tops for leaf in _below(top)]


def _is_inner(leaf: Leaf) -> bool:
    """Return whether a leaf is inside a column."""
    return bool(leaf.steps) or leaf.table != ROWS


def _below(leaf: Leaf) -> Iterator[Leaf]:
    """Yield the leaves inside a value, or the value itself if it is a leaf."""
    if isinstance(leaf.type, pa.BaseExtensionType) and _holds_numbers(leaf.type):
        leaf = replace(leaf, type=leaf.type.storage_type)
    name, kind, role = leaf.name, leaf.type, leaf.role
    if is_list(kind):
        yield from _child(_in_list(leaf), f"{name}[]", kind.value_field)
    elif pa.types.is_map(kind):
        keys = replace(leaf, role=role or _KEYS)
        yield from _child(_in_list(keys), f"{name}[].key", kind.key_field, 0)
        yield from _child(_in_list(leaf), f"{name}[].value", kind.item_field, 1)
    elif is_struct(kind):
        names = distinct_names(inner.name for inner in kind)
        for step, (own, inner) in enumerate(zip(names, kind, strict=True)):
            yield from _child(leaf, f"{name}.{own}", inner, step)
    else:
        yield leaf


def _in_list(leaf: Leaf) -> Leaf:
    """Return a list or map such that positions of leaves inside it count its elements, not rows."""
    return replace(leaf, table=f"{leaf.column}:{leaf.name}[]")


def _child(leaf: Leaf, name: str, inner: pa.Field, *step: int) -> Iterator[Leaf]:
    """Yield the leaves inside a child of a value."""
    steps = leaf.steps + step
    yield from _below(
        replace(leaf, name=name, steps=steps, type=inner.type, nullable=inner.nullable)
    )


def _holds_numbers(kind: pa.BaseExtensionType) -> bool:
    """Return whether an extension type stores numbers or nested values."""
    if isinstance(kind, pa.Bool8Type):
        return False
    return pa.types.is_nested(kind.storage_type) or kind_of(kind.storage_type) in NUMBER_KINDS


def is_struct(kind: pa.DataType) -> bool:
    """Return whether an Arrow type is a struct whose children are leaves or hold some."""
    if not pa.types.is_struct(kind) or not kind.num_fields:
        return False
    return not any(is_opaque(inner.type) for inner in kind)


def fields_and_leaves(
    schema: pa.Schema,
) -> tuple[tuple[Field, ...], tuple[Leaf, ...], dict[str, int]]:
    """Return the fields and leaves of a table, and the index of each field's leaf, if it has one.

    A nested column is a field too, besides its leaves. It has no values of its own, but messages
    can name it. Duplicate names are made distinct; columns keep theirs.
    """
    columns = distinct_names(schema.names)
    fields: dict[str, Field] = {}
    numbers: dict[str, int] = {}
    every = leaves_of(schema)
    for number, leaf in enumerate(every):
        top = columns[leaf.column]
        if leaf.name != top:
            fields.setdefault(top, Field(top, "other", str(schema.field(leaf.column).type)))
        fields[leaf.name] = leaf.field()
        numbers[leaf.name] = number
    roles = roles_of(schema.metadata or {})
    for name, number in numbers.items() if roles else ():
        leaf = every[number]
        role = roles.get(name) or roles.get(columns[leaf.column]) or leaf.role
        fields[name] = replace(fields[name], role=role)
    return tuple(fields.values()), every, numbers


def values_at(values: pa.Array, steps: Sequence[int]) -> tuple[pa.Array, NDArray[np.bool_] | None]:
    """Return a leaf's values, and a mask of those whose parents are not null (None for all).

    Args:
        values: A column.
        steps: The path of the leaf; if it is too short, the first child is taken.
    """
    inside: NDArray[np.bool_] | None = None
    left = iter(steps)
    while True:
        values = _storage(values)
        kind = values.type
        if pa.types.is_struct(kind) and kind.num_fields:
            inside = _within(inside, values)
            values = values.field(next(left, 0))
        elif pa.types.is_fixed_size_list(kind):
            inside = _within(inside, values)
            _, values = _elements(values)
            inside = None if inside is None else np.repeat(inside, kind.list_size)
        elif pa.types.is_map(kind) or is_list(kind):  # a map is a list of structs
            _, values = _elements(values)
            inside = None
        else:
            return values, inside


def _within(inside: NDArray[np.bool_] | None, values: pa.Array) -> NDArray[np.bool_] | None:
    if not values.null_count:
        return inside
    there = validity(values)
    return there if inside is None else inside & there


def _storage(values: pa.Array) -> pa.Array:
    while isinstance(values.type, pa.BaseExtensionType):
        values = values.storage
    return values


def _offsets(values: pa.Array) -> NDArray[Any]:
    if not len(values):
        return np.zeros(1, np.int64)
    return to_numpy(values.offsets)


def with_values(values: pa.Array, steps: Sequence[int], leaf: pa.Array) -> pa.Array:
    """Replace the values of a leaf in a column; their type may differ.

    Args:
        values: A column.
        steps: The path of the leaf.
        leaf: The new values, as many as `values_at` returns.
    """
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        inner = with_values(values.storage, steps, leaf)
        kept = inner.type == kind.storage_type
        return pa.ExtensionArray.from_storage(kind, inner) if kept else inner
    if pa.types.is_struct(kind) and kind.num_fields:
        step = steps[0] if steps else 0
        children = [values.field(place) for place in range(kind.num_fields)]
        children[step] = with_values(children[step], steps[1:], leaf)
        parts = [f.with_type(child.type) for f, child in zip(kind, children, strict=True)]
        return pa.StructArray.from_arrays(children, fields=parts, mask=_nulls(values))
    if pa.types.is_map(kind):
        values, entries = _elements(values)
        parts = [entries.field(0), entries.field(1)]
        step = steps[0] if steps else 0
        parts[step] = with_values(parts[step], steps[1:], leaf)
        offsets = _rebased(_offsets(values))
        return pa.MapArray.from_arrays(offsets, *parts, type=kind, mask=_nulls(values))
    if is_list(kind):
        values, child = _elements(values)
        return _lists(values, with_values(child, steps, leaf), kind.value_field)
    return leaf


def alone(kind: pa.DataType, steps: Sequence[int]) -> pa.DataType:
    """Reduce a column's type to a single leaf; maps become lists.

    Args:
        kind: The column's type.
        steps: The path of the leaf.
    """
    if isinstance(kind, pa.BaseExtensionType) and _holds_numbers(kind):
        return alone(kind.storage_type, steps)
    if pa.types.is_map(kind):
        inner = kind.item_field if steps[0] else kind.key_field
        pair = pa.struct([inner.with_type(alone(inner.type, steps[1:]))])
        return pa.list_(pa.field("key_value", pair, nullable=False))
    if pa.types.is_struct(kind) and kind.num_fields:
        inner = kind.field(steps[0])
        return pa.struct([inner.with_type(alone(inner.type, steps[1:]))])
    if not is_list(kind):
        return kind
    return list_like(kind, kind.value_field.with_type(alone(kind.value_field.type, steps)))


def retyped(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Convert a column of one leaf to a type that differs only in names and nullability.

    Args:
        values: The column; extension types count as their storage types.
        kind: The new type; the leaf keeps its own.
    """
    values = _storage(values)
    if values.type == kind:
        return values
    if pa.types.is_struct(kind) and kind.num_fields:
        child = retyped(values.field(0), kind.field(0).type)
        parts = [kind.field(0).with_type(child.type)]
        return pa.StructArray.from_arrays([child], fields=parts, mask=_nulls(values))
    if is_list(kind):
        values, child = _elements(values)
        return _lists(values, retyped(child, kind.value_field.type), kind.value_field)
    return values


def _elements(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return lists without hidden elements, and all their elements in one array."""
    if pa.types.is_fixed_size_list(values.type):
        size = values.type.list_size
        return values, values.values.slice(values.offset * size, len(values) * size)
    if values.null_count and np.diff(_offsets(values))[~validity(values)].any():
        # null lists have hidden elements
        values = rows_of(values, np.arange(len(values)))
    offsets = _offsets(values)
    return values, values.values[int(offsets[0]) : int(offsets[-1])]


def _lists(values: pa.Array, elements: pa.Array, inner: pa.Field) -> pa.Array:
    """Rebuild lists with other elements.

    Args:
        values: The old lists, from `_elements`.
        elements: The new elements, as many as the old ones.
        inner: The field of the elements, but for its type.
    """
    kind, nulls = list_like(values.type, inner.with_type(elements.type)), _nulls(values)
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(elements, type=kind, mask=nulls)
    lists = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
    return lists.from_arrays(_rebased(_offsets(values)), elements, type=kind, mask=nulls)


def _rebased(offsets: NDArray[Any]) -> pa.Array:
    return array(np.ascontiguousarray(offsets - offsets[0]))


def _nulls(values: pa.Array) -> pa.Array | None:
    return bools(~validity(values)) if values.null_count else None


def roles_of(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return the roles of columns and leaves, by name; a column's role holds for all its leaves.

    pandas records which columns hold its index. GeoParquet records which ones hold geometries, and
    which hold their bounding boxes (its `covering`).

    Args:
        metadata: The metadata of a schema.
    """
    return {
        **dict.fromkeys(_indexes(_document(metadata, b"pandas")), _INDEX),
        **dict(_geometries(_document(metadata, b"geo"))),
    }


def _document(metadata: Mapping[bytes, bytes], key: bytes) -> dict[str, Any]:
    """Parse a JSON object in the metadata; return an empty one if it is missing or invalid."""
    try:
        found = json.loads(metadata.get(key, b"{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _indexes(pandas: dict[str, Any]) -> list[str]:
    columns = pandas.get("index_columns", [])
    return [name for name in columns if isinstance(name, str)] if isinstance(columns, list) else []


def _geometries(geo: dict[str, Any]) -> Iterator[tuple[str, str]]:
    columns = geo.get("columns", {})
    for name, column in columns.items() if isinstance(columns, dict) else ():
        yield name, _GEOMETRY
        for path in _paths(column.get("covering", {}) if isinstance(column, dict) else {}):
            yield ".".join(path), _COVERING


def _paths(found: object) -> Iterator[list[str]]:
    """Yield the column paths in a covering of any kind."""
    if isinstance(found, dict):
        for part in found.values():
            yield from _paths(part)
    elif isinstance(found, list) and found and all(isinstance(part, str) for part in found):
        yield found
