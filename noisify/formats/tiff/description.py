"""Change what a TIFF file says of its shape, when the rows of its array are others.

tifffile, ImageJ and OME describe an array of several pages in the first page. Only the numbers and
entries that depend on the first axis are changed; all other text stays as it is.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from tifffile.tifffile import imagej_metadata_tag

from noisify.core.errors import DataError
from noisify.core.value_class import frozen
from noisify.formats.tiff.directory import Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import tifffile

_DESCRIPTION, _IMAGEJ_SIZES, _IMAGEJ_LISTS = 270, 50838, 50839
_KINDS = {"generic", "uniform", "shaped", "imagej", "ome"}
_STARTS = {
    "shaped": rb'\s*(\{.*"shape":|shape=)',
    "imagej": rb"ImageJ=|SCIFIO=",
    "ome": rb"[^<]*<(\?xml|OME|\w+:OME)",
}
_OME_PLANES = re.compile(r"<(?:\w+:)?(?:Pixels|TiffData|ModuloAlong\w)\b[^>]*")
_OME_COUNTS = re.compile(r"\b(?:Size[ZCT]|NumPlanes|PlaneCount)\s*=\s*[\"'](\d+)")
_OME_STEPS = re.compile(r"\b(Start|End|Step)\s*=\s*[\"']([\d.eE+-]+)")
_IMAGEJ_COUNTS = {"T": "frames", "Z": "slices", "C": "channels"}


def planes_claimed(text: str) -> float:
    """Return the largest number of planes that an element of an OME description claims."""
    most = 0.0
    for element in _OME_PLANES.findall(text):
        steps = dict(_OME_STEPS.findall(element))
        extent = float(steps.get("End", 0)) - float(steps.get("Start", 0))
        claimed = extent / (float(steps.get("Step", 1)) or math.inf)
        most = max(most, abs(claimed), math.prod(map(int, _OME_COUNTS.findall(element))))
    return most


@frozen
class Description:
    """What a file says of its only series.

    Attributes:
        kind: Who says it: "shaped" (tifffile), "imagej", "ome", or another word if nobody does.
        axis: The letter of the first axis.
        shape: The shape of the array.
        images: The number of images that the array is made of.
        lists: ImageJ's labels, colors and the like.
    """

    kind: str
    axis: str
    shape: tuple[int, ...]
    images: int
    lists: dict[str, Any]

    @classmethod
    def of(cls, file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Description:
        """Return what a file says of a series.

        Raises:
            DataError: If it says so in a way that cannot be changed.
        """
        if series.kind not in _KINDS:
            raise DataError(
                f"describes its rows as {series.kind} files do, which is not changed here; "
                "save it as plain TIFF first"
            )
        return cls(
            kind=series.kind,
            axis=series.axes[0],
            shape=tuple(series.shape),
            images=series.size // series.keyframe.size,
            lists=dict(file.pages.first.tags.valueof(_IMAGEJ_LISTS, default=None) or {}),
        )

    def tells(self, tag: Tag) -> bool:
        """Return whether a tag of the first page describes the whole series."""
        if self.kind not in _STARTS:
            return False
        if tag.code == _DESCRIPTION:
            return re.match(_STARTS[self.kind], tag.values, flags=re.DOTALL) is not None
        return self.kind == "imagej" and tag.code in {_IMAGEJ_SIZES, _IMAGEJ_LISTS}

    def changed(
        self, tags: Sequence[Tag], rows: Sequence[int], byteorder: Literal["<", ">"]
    ) -> Iterator[Tag]:
        """Yield the tags that describe an array of some of the rows.

        Args:
            tags: The tags that describe the old array.
            rows: The number of the old row that each new row is.
            byteorder: "<" or ">".

        Raises:
            DataError: If they cannot be changed.
        """
        change = {"shaped": self._shaped, "imagej": self._imagej, "ome": self._ome}
        lists = self._lists_of(rows)
        for tag in tags:
            if tag.code == _DESCRIPTION:
                text = change[self.kind](tag.values.decode("latin-1"), rows)
                yield replace(tag, values=text.encode("latin-1"))
            elif lists is None:
                yield tag
        if lists is not None:
            for code, kind, _, values, _ in imagej_metadata_tag(lists, byteorder):
                yield Tag(code, kind, values)

    def _shaped(self, text: str, rows: Sequence[int]) -> str:
        shape = re.compile(r'("shape":\s*\[|shape=\()([\d\s,]*)')
        found = shape.search(text)
        if found is None or [int(n) for n in found[2].split(",") if n.strip()] != [*self.shape]:
            raise DataError("is described with another shape than it has; save it anew first")
        first = re.sub(r"\d+", str(len(rows)), found[2], count=1)
        return text[: found.start(2)] + first + text[found.end(2) :]

    def _imagej(self, text: str, rows: Sequence[int]) -> str:
        if self.axis in "YX":
            return text
        counts = {"images": self.images // self.shape[0] * len(rows)}
        if self.axis in _IMAGEJ_COUNTS:
            counts[_IMAGEJ_COUNTS[self.axis]] = len(rows)
        for key, count in counts.items():
            text = re.sub(rf"^{key}=\d+", f"{key}={count}", text, flags=re.MULTILINE)
        return text

    def _lists_of(self, rows: Sequence[int]) -> dict[str, Any] | None:
        """Return ImageJ's lists with the entries of the rows; None if they stay as they are."""
        if not self.lists or self.axis in "YX":
            return None
        if "Overlays" in self.lists:
            raise DataError("has overlays of single slices; remove them first in ImageJ")
        changed = {}
        for key in ("Labels", *(("LUTs", "Ranges") if self.axis == "C" else ())):
            values = list(self.lists.get(key, ()))
            width, rest = divmod(len(values), self.shape[0])
            if width and not rest:
                changed[key] = [one for r in rows for one in values[r * width : (r + 1) * width]]
        return {**self.lists, **changed} if changed else None

    def _ome(self, text: str, rows: Sequence[int]) -> str:
        axis, before = self.axis, self.shape[0]
        size = re.compile(rf"(<(?:\w+:)?Pixels\b[^<]*?\bSize{axis}\s*=\s*[\"'])(\d+)")
        found = size.findall(text)
        if len(found) != 1 or int(found[0][1]) % before:
            raise DataError(f"has an OME description in which axis {axis} is not {before} long")
        extent = int(found[0][1]) // before * len(rows)
        text = size.sub(rf"\g<1>{extent}", text)
        if axis in "YX":
            return text
        if re.search(rf"\bThe{axis}\s*=", _element("Plane").sub("", text)):
            raise DataError(f"has regions of single entries of axis {axis}; save it without first")
        count = self.images // before * len(rows)
        text = _with_entries(text, "Plane", lambda planes: _planes(planes, axis, rows))
        text = _with_entries(
            text, "TiffData", lambda old: [f'<{old[0][1]}TiffData IFD="0" PlaneCount="{count}"/>']
        )
        if axis == "C":
            text = _with_entries(text, "Channel", lambda old: _channels(old, before, rows))
        return text


def _element(name: str) -> re.Pattern[str]:
    """Return a pattern of XML elements of a name; its group is their prefix with the colon."""
    attributes = r"""(?:[^<>"']|"[^"]*"|'[^']*')*?"""
    return re.compile(
        rf"<((?:\w+:)?){name}\b{attributes}(?:/>|>.*?</\1{name}\s*>)", flags=re.DOTALL
    )


def _with_entries(
    text: str, name: str, change: Callable[[list[re.Match[str]]], Iterable[str]]
) -> str:
    """Put other elements in the place of all those of a name, if there are any."""
    old = list(_element(name).finditer(text))
    if not old:
        return text
    start = old[0].start()
    rest = _element(name).sub("", text[start:])
    return text[:start] + "".join(change(old)) + rest


def _planes(old: Sequence[re.Match[str]], axis: str, rows: Sequence[int]) -> Iterator[str]:
    """Yield the Plane elements of some rows, with the rows' new numbers."""
    number = re.compile(rf"(\bThe{axis}\s*=\s*[\"'])(\d+)")
    planes: dict[int, list[str]] = {}
    for element in old:
        found = number.search(element[0])
        planes.setdefault(int(found[2]) if found else 0, []).append(element[0])
    for at, row in enumerate(rows):
        for text in planes.get(row, ()):
            yield number.sub(rf"\g<1>{at}", text, count=1)


def _channels(old: Sequence[re.Match[str]], before: int, rows: Sequence[int]) -> Iterator[str]:
    """Yield the Channel elements of some rows; repeated ones with identifiers of their own."""
    if len(old) != before:
        raise DataError(f"has {before} channels, and its OME description {len(old)}")
    used: Counter[int] = Counter()
    for row in rows:
        text, number = old[row][0], used[row]
        if number:
            text = re.sub(r"(\bID\s*=\s*[\"'][^\"']*)", rf"\g<1>:{number}", text, count=1)
        used[row] += 1
        yield text
