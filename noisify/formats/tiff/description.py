"""Read and change what tifffile, ImageJ and OME write about the shape of a TIFF file's array."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from noisify.core.errors import DataError

if TYPE_CHECKING:
    import tifffile

_STARTS = {
    "shaped": r'\s*(\{.*"shape":|shape=)',
    "imagej": "ImageJ=|SCIFIO=",
    "ome": r"[^<]*<(\?xml|OME|\w+:OME)",
}
_IMAGEJ_AXES = {"T": "frames", "Z": "slices", "C": "channels"}
_PLANES = re.compile(r"<(?:\w+:)?(?:Pixels|TiffData|ModuloAlong\w)\b[^>]*")
_COUNTS = re.compile(r"\b(?:Size[ZCT]|NumPlanes|PlaneCount)\s*=\s*[\"'](\d+)")
_STEPS = re.compile(r"\b(Start|End|Step)\s*=\s*[\"']([\d.eE+-]+)")
_TIFF_DATA = re.compile(r"<((?:\w+:)?)TiffData\b(?:[^>]*/>|[^>]*>.*?</\1TiffData\s*>)", re.DOTALL)


def planes_claimed(text: str) -> float:
    """Return the largest number of planes that an element of an OME description claims."""
    most = 0.0
    for element in _PLANES.findall(text):
        steps = dict(_STEPS.findall(element))
        extent = float(steps.get("End", 0)) - float(steps.get("Start", 0))
        claimed = extent / (float(steps.get("Step", 1)) or math.inf)
        most = max(most, abs(claimed), math.prod(map(int, _COUNTS.findall(element))))
    return most


def with_rows(text: str, series: tifffile.TiffPageSeries, rows: int) -> str:
    """Change the description of a series to one of another number of rows.

    Text that does not describe the series' shape is returned as it is.

    Args:
        text: The description, or another text of the same tag.
        series: The series.
        rows: The new extent of its first axis.

    Raises:
        DataError: If it describes single rows too.
    """
    kind, axis, before = series.kind, series.axes[0], series.shape[0]
    if kind not in _STARTS or re.match(_STARTS[kind], text, re.DOTALL) is None:
        return text
    counts = [r'("shape":\s*\[\s*|shape=\(\s*)(\d+)']
    if kind == "imagej":
        named = () if axis in "YX" else ("images", _IMAGEJ_AXES.get(axis, "images"))
        counts = [rf"^({name}=)(\d+)" for name in dict.fromkeys(named)]
    elif kind == "ome":
        counts = [rf"(<(?:\w+:)?Pixels\b[^<]*?\bSize{axis}\s*=\s*[\"'])(\d+)"]
        if axis == "C" or re.search(rf"\bThe{axis}\s*=", text):
            raise DataError(
                f"has an OME description of single entries of axis {axis}, along which its rows "
                "lie; save it as plain TIFF or ImageJ TIFF first"
            )
        data = _TIFF_DATA.search(text)
        if data is not None and axis not in "YX":
            planes = series.size // series.keyframe.size // before * rows
            one = f'<{data[1]}TiffData IFD="0" PlaneCount="{planes}"/>'
            text = text[: data.start()] + one + _TIFF_DATA.sub("", text[data.end() :])

    def scaled(found: re.Match[str]) -> str:
        return f"{found[1]}{int(found[2]) * rows // before}"

    for count in counts:
        text = re.sub(count, scaled, text, flags=re.MULTILINE)
    return text
