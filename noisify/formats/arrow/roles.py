"""Find columns that are not measurements, from the metadata that pandas and GeoParquet write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_INDEX = "an index of pandas"
_COVERING = "a bounding box of GeoParquet"
_GEOMETRY = "a geometry of GeoParquet"


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
