"""Models of whole rows along the first axis of TIFF images and stacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from run_command import run

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DROP = ("-d", "drop-rows", "--rate", "30%")
REPEAT = ("-d", "duplicate-rows", "--rate", "30%", "-p", "times=2")
TRIPLE = ("-d", "duplicate-rows", "--rate", 1, "-p", "times=2")
MILLIONS = ("-d", "duplicate-rows", "--rate", "30%", "-p", "times=9999999")
RGB = {"photometric": "rgb"}
GRAY = {"photometric": "minisblack"}


def pixels(*shape: int, dtype: str = "u1") -> NDArray:
    return (np.arange(np.prod(shape)) * 37 % 151 + 50).reshape(shape).astype(dtype)


FILES = {
    "image": (pixels(90, 31), {}),
    "line": (pixels(300, dtype="f8"), {}),
    "image without a description": (pixels(90, 31, dtype="f4"), {"metadata": None}),
    "strips": (pixels(97, 45, 3, dtype="u2"), {"rowsperstrip": 7, **RGB}),
    "one row": (pixels(1, 45, dtype="i2"), {}),
    "alpha": (pixels(90, 31, 4), {"extrasamples": ["unassalpha"], **RGB}),
    "tiles": (pixels(130, 150, 3, dtype="u2"), {"tile": (64, 48), **RGB}),
    "small tiles": (pixels(70, 20, dtype="f4"), {"tile": (16, 16)}),
    "tiles of pages": (pixels(9, 60, 50, dtype="f4"), {"tile": (32, 32), **GRAY}),
    "tiles of planes": (
        pixels(9, 3, 50, 60), {"tile": (32, 32), "planarconfig": "separate", **RGB}
    ),
    "tiles in depth": (
        pixels(40, 50, 60, dtype="f4"), {"tile": (16, 32, 32), "volumetric": True, **GRAY}
    ),
    "depth": (pixels(20, 17, 15, dtype="f4"), {"volumetric": True, **GRAY}),
    "planes of pages": (pixels(9, 3, 17, 15), {"planarconfig": "separate", **RGB}),
    "pages": (pixels(9, 17, 15, dtype="u2"), {"contiguous": False, "metadata": None, **GRAY}),
    "pages in strips": (pixels(9, 17, 15, dtype="u2"), {"rowsperstrip": 4, **GRAY}),
    "stack": (pixels(9, 4, 17, 15, dtype="u2"), GRAY),
    "stack of one page": (pixels(1, 17, 15, dtype="u2"), GRAY),
    "stack in one directory": (
        pixels(9, 4, 17, 15, dtype="u2"), {"truncate": True, **GRAY}
    ),
    "ImageJ in one directory": (
        pixels(9, 4, 17, 15, dtype="u2"),
        {"truncate": True, "imagej": True, "metadata": {"axes": "TZYX"}},
    ),
    "big": (pixels(9, 17, 15, dtype="i4"), {"bigtiff": True, **GRAY}),
    "big-endian": (pixels(9, 17, 15, dtype="f8"), {"byteorder": ">", **GRAY}),
    "big and big-endian": (pixels(90, 15, dtype="c8"), {"byteorder": ">", "bigtiff": True}),
    "ImageJ": (
        pixels(9, 4, 3, 17, 15, dtype="u2"), {"imagej": True, "metadata": {"axes": "TZCYX"}}
    ),
    "ImageJ slices": (pixels(9, 17, 15, dtype="f4"), {"imagej": True, "metadata": {"axes": "ZYX"}}),
    "ImageJ channels": (pixels(9, 17, 15), {"imagej": True, "metadata": {"axes": "CYX"}}),
    "ImageJ colors": (pixels(9, 17, 15, 3), {"imagej": True, "metadata": {"axes": "TYXS"}, **RGB}),
    "ImageJ image": (pixels(90, 31), {"imagej": True}),
    "OME": (pixels(9, 4, 3, 17, 15, dtype="u2"), {"ome": True, "metadata": {"axes": "TZCYX"}}),
    "OME slices": (pixels(9, 17, 15), {"ome": True, "metadata": {"axes": "ZYX"}}),
    "OME channels": (pixels(9, 17, 15), {"ome": True, "metadata": {"axes": "CYX"}}),
    "OME tiles": (pixels(9, 30, 20), {"ome": True, "tile": (16, 16), "metadata": {"axes": "TYX"}}),
    "OME colors": (pixels(9, 17, 15, 3), {"ome": True, "metadata": {"axes": "TYXS"}, **RGB}),
    "OME image": (pixels(90, 31), {"ome": True}),
}  # fmt: skip


def changed(source: Path, *arguments: object, seed: int = 1) -> Path:
    target = source.with_name(f"out{source.suffix}")
    done = run(source, "-o", target, "--seed", seed, "-q", *arguments)
    assert (0, b"") == (done.status, done.output), done.messages
    return target


def kept(folder: Path, count: int, *arguments: object, seed: int = 1) -> NDArray[np.int64]:
    """Return which rows come out of a table of as many."""
    table = folder / "rows.csv"
    table.write_text("row\n" + "".join(f"{at}\n" for at in range(count)))
    return np.loadtxt(changed(table, *arguments, seed=seed), np.int64, skiprows=1, ndmin=1)


@pytest.mark.parametrize("cut", [(), ("--chunk-size", "1k", "-j", 2)], ids=["whole", "cut"])
@pytest.mark.parametrize("model", [DROP, REPEAT], ids=["drop", "repeat"])
@pytest.mark.parametrize("name", FILES)
def test_the_rows_that_come_out_are_those_of_a_table(tmp_path, name, model, cut):
    before, options = FILES[name]
    tifffile.imwrite(tmp_path / "in.tif", before, **options)
    before = tifffile.imread(tmp_path / "in.tif")

    after = tifffile.imread(changed(tmp_path / "in.tif", *model, *cut))

    expected = before[kept(tmp_path, len(before), *model)]
    assert expected.dtype == after.dtype
    np.testing.assert_array_equal(expected, after)


@pytest.mark.parametrize("model", [DROP, REPEAT], ids=["drop", "repeat"])
@pytest.mark.parametrize(
    "name", ["image", "alpha", "small tiles", "pages", "pages in strips", "OME"]
)
def test_pillow_reads_the_same_rows(tmp_path, name, model):
    before, options = FILES[name]
    tifffile.imwrite(tmp_path / "in.tif", before, **options)

    with Image.open(changed(tmp_path / "in.tif", *model)) as image:
        pages = []
        for at in range(image.n_frames):
            image.seek(at)
            pages.append(np.asarray(image))

    expected = before[kept(tmp_path, len(before), *model)]
    if image.n_frames > 1:
        expected = expected.reshape(-1, *expected.shape[-2:])
    np.testing.assert_array_equal(expected, np.squeeze(pages))


def test_the_layouts_are_what_they_are_called(tmp_path):
    for name, (array, options) in FILES.items():
        tifffile.imwrite(tmp_path / "in.tif", array, **options)
        with tifffile.TiffFile(tmp_path / "in.tif") as file:
            (series,) = file.series
            assert ("tiles" in name) == series.keyframe.is_tiled
            assert ("ImageJ" in name) == (series.kind == "imagej")
            assert ("OME" in name) == (series.kind == "ome")
            assert ("big" in name.split()) == file.is_bigtiff
            assert ("one directory" in name) == (len(file.pages) == 1 and array.ndim == 4)


@pytest.mark.parametrize("fresh", ["fresh=true", "fresh=false"])
@pytest.mark.parametrize("name", ["strips", "small tiles", "stack", "big-endian"])
def test_rows_have_the_noise_of_an_npy_file(tmp_path, name, fresh):
    array, options = FILES[name]
    tifffile.imwrite(tmp_path / "in.tif", array, **options)
    np.save(tmp_path / "in.npy", array)
    noise = ("--noise", "data=normal:5", "--noise", f"=duplicate-rows:50%,{fresh}")

    after = tifffile.imread(changed(tmp_path / "in.tif", *noise))

    np.testing.assert_array_equal(np.load(changed(tmp_path / "in.npy", *noise)), after)


def test_alpha_gets_no_noise_in_copies(tmp_path):
    array, options = FILES["alpha"]
    tifffile.imwrite(tmp_path / "in.tif", array, **options)

    after = tifffile.imread(changed(tmp_path / "in.tif", "--noise", "data=normal:5",
                                    "--noise", "=duplicate-rows:50%,fresh=true"))  # fmt: skip

    rows = kept(tmp_path, 90, "-d", "duplicate-rows", "--rate", "50%")
    np.testing.assert_array_equal(array[rows][..., 3], after[..., 3])
    assert np.any(array[rows][..., :3] != after[..., :3])


@pytest.mark.parametrize("name", ["strips", "tiles of pages", "ImageJ", "OME"])
def test_a_file_that_keeps_its_rows_keeps_its_bytes(tmp_path, name):
    array, options = FILES[name]
    tifffile.imwrite(tmp_path / "in.tif", array, **options)

    after = changed(tmp_path / "in.tif", "-d", "drop-rows", "--rate", 0)

    assert (tmp_path / "in.tif").read_bytes() == after.read_bytes()


@pytest.mark.parametrize("name", ["strips", "pages", "OME", "ImageJ labels"])
def test_as_many_rows_as_before_that_are_others(tmp_path, name):
    array, options = FILES["ImageJ" if "ImageJ" in name else name]
    if "labels" in name:
        labels = [f"image {at}" for at in range(9 * 4 * 3)]
        options = {**options, "metadata": {"axes": "TZCYX", "Labels": labels}}
    tifffile.imwrite(tmp_path / "in.tif", array, **options)
    models = [("--noise", "=drop-rows:20%"), ("--noise", "=duplicate-rows:20%")]
    both = [word for model in models for word in model]
    seed = next(
        seed
        for seed in range(2, 200)
        if len(rows := kept(tmp_path, len(array), *both, seed=seed)) == len(array)
        and np.any(rows != np.arange(len(array)))
    )

    target = changed(tmp_path / "in.tif", *both, seed=seed)

    rows = kept(tmp_path, len(array), *both, seed=seed)
    np.testing.assert_array_equal(array[rows], tifffile.imread(target))
    if "labels" in name:
        with tifffile.TiffFile(target) as file:
            found = np.reshape(file.imagej_metadata["Labels"], (9, -1))
        np.testing.assert_array_equal(np.reshape(labels, (9, -1))[rows], found)


def test_pages_keep_their_tags(tmp_path):
    with tifffile.TiffWriter(tmp_path / "in.tif") as file:
        for at in range(9):
            tags = [(65000, "d", 3, (at, 2.0, 3.0), True), (65001, "s", 0, "x" * at, True)]
            file.write(pixels(17, 15) + at, metadata=None, description=f"page {at}",
                       extratags=tags, datetime=f"2024:01:01 00:00:{at:02}")  # fmt: skip

    target = changed(tmp_path / "in.tif", *REPEAT)

    with tifffile.TiffFile(target) as file, tifffile.TiffFile(tmp_path / "in.tif") as old:
        for page, row in zip(file.pages, kept(tmp_path, 9, *REPEAT), strict=True):
            tags, before = page.tags, old.pages[row].tags
            assert [tag.code for tag in before] == [tag.code for tag in tags]
            for tag in tags:
                if tag.name != "StripOffsets":
                    assert before[tag.code].value == tag.value, tag.name


def test_the_directory_of_exif_moves_with_its_page(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    exif[0x8769], exif[0x8825] = {0x829D: (28, 10)}, {1: "N"}
    Image.fromarray(pixels(90, 31)).save(tmp_path / "in.tif", exif=exif.tobytes())

    target = changed(tmp_path / "in.tif", *REPEAT)

    with Image.open(tmp_path / "in.tif") as old, Image.open(target) as new:
        before, after = old.getexif(), new.getexif()
        for directory in (0x8769, 0x8825):
            assert before.get_ifd(directory)
            assert dict(before.get_ifd(directory)) == dict(after.get_ifd(directory))
    assert after[0x010F] == "a maker"


def test_the_description_of_the_user_stays(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", pixels(90, 31), description="by the user: ü".encode())

    with tifffile.TiffFile(changed(tmp_path / "in.tif", *DROP)) as file:
        texts = [tag.value for tag in file.pages[0].tags if tag.code == 270]

    count = len(kept(tmp_path, 90, *DROP))
    assert ["by the user: ü", f'{{"shape": [{count}, 31]}}'] == texts


OME = """<?xml version="1.0" encoding="UTF-8"?>
<o:OME xmlns:o="http://www.openmicroscopy.org/Schemas/OME/2016-06"><!-- a > b, µ -->
<o:Image ID="Image:0" Name="the 'first' &gt; one"><o:Pixels DimensionOrder="XYCZT" ID="Pixels:0"
 SizeC="2" SizeT="5" SizeX="15" SizeY="17" SizeZ="1" Type="uint8" BigEndian="false">
<o:Channel ID="Channel:0:0" SamplesPerPixel="1" Name="a>b"><o:LightPath/></o:Channel>
<o:Channel ID="Channel:0:1" SamplesPerPixel="1"/>
{data}
{planes}
</o:Pixels></o:Image></o:OME>"""


def ome_file(path: Path, **more: str) -> NDArray:
    array = pixels(5, 2, 17, 15)
    data = "".join(
        f'<o:TiffData IFD="{2 * t + c}" FirstT="{t}" FirstC="{c}" PlaneCount="1">'
        "</o:TiffData>" for t in range(5) for c in range(2)
    )  # fmt: skip
    planes = "".join(
        f'<o:Plane TheZ="0" TheT="{t}" TheC="{c}" DeltaT="{t}.{c}"><o:X/></o:Plane>'
        for c in range(2) for t in range(5)
    )  # fmt: skip
    text = OME.format(data=data, planes=planes)
    for old, new in more.items():
        text = text.replace(f"</o:{old}>", new)
    tifffile.imwrite(path, array, description=text.encode(), metadata=None, **GRAY)
    return array


@pytest.mark.parametrize("model", ["drop-rows:60%", "duplicate-rows:60%,times=3"])
def test_entries_of_planes_follow_in_an_ome_description(tmp_path, model):
    array = ome_file(tmp_path / "in.tif")

    with tifffile.TiffFile(changed(tmp_path / "in.tif", "--noise", f"={model}")) as file:
        after, text = file.asarray(), file.ome_metadata

    rows = kept(tmp_path, 5, "--noise", f"={model}")
    assert len(rows) != 5
    np.testing.assert_array_equal(array[rows], after)
    assert f'SizeT="{len(rows)}"' in text
    assert [f'<o:TiffData IFD="0" PlaneCount="{2 * len(rows)}"/>'] == re.findall(
        "<o:TiffD.*?>", text
    )
    found = re.findall(r'<o:Plane TheZ="0" TheT="(\d+)" TheC="(\d)" DeltaT="([\d.]+)">', text)
    expected = [(str(at), str(c), f"{row}.{c}") for at, row in enumerate(rows) for c in range(2)]
    assert expected == found
    assert "<!-- a > b, µ -->" in text


def test_channels_of_an_ome_description_are_repeated_with_other_identifiers(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", pixels(3, 17, 15), ome=True,
                     metadata={"axes": "CYX", "Channel": {"Name": ["r", "g", "b"]}})  # fmt: skip

    with tifffile.TiffFile(changed(tmp_path / "in.tif", *TRIPLE)) as file:
        text = file.ome_metadata

    assert ["r", "r", "r", "g", "g", "g", "b", "b", "b"] == re.findall(r'Name="(\w)"', text)
    identifiers = re.findall(r'ID="(Channel:[^"]*)"', text)
    assert len(set(identifiers)) == len(identifiers) == 9


def test_labels_and_colors_of_imagej_follow(tmp_path):
    ranges = [float(at) for at in range(18)]
    tables = [np.full((3, 256), at, np.uint8) for at in range(9)]
    tifffile.imwrite(
        tmp_path / "in.tif", pixels(9, 17, 15), imagej=True,
        metadata={"axes": "CYX", "Ranges": ranges, "LUTs": tables, "Info": "a\nb",
                  "Labels": [*"abcdefghi"], "mode": "composite"},
    )  # fmt: skip

    with tifffile.TiffFile(changed(tmp_path / "in.tif", *DROP)) as file:
        found = file.imagej_metadata

    rows = kept(tmp_path, 9, *DROP)
    assert [len(rows)] * 2 == [found["channels"], found["images"]]
    assert ["abcdefghi"[row] for row in rows] == found["Labels"]
    assert [value for row in rows for value in (2.0 * row, 2.0 * row + 1)] == [*found["Ranges"]]
    assert [int(table[0, 0]) for table in found["LUTs"]] == rows.tolist()
    assert found["Info"] == "a\nb"


def planar(path: Path) -> None:
    tifffile.imwrite(path, pixels(3, 17, 15), planarconfig="separate", **RGB)


def of_two_kinds(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(pixels(17, 15))
        file.write(pixels(17, 15, dtype="f4"))


def with_reduced_copies(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(pixels(64, 64), subifds=1)
        file.write(pixels(32, 32), subfiletype=1)


def with_overlays(path: Path) -> None:
    tifffile.imwrite(path, pixels(9, 17, 15), imagej=True, metadata={"Overlays": [b"Iout"]})


def with_regions(path: Path) -> None:
    ome_file(path, Image='</o:Image><o:ROI><o:Point TheT="1"/></o:ROI>')


def of_too_many_rows(path: Path) -> None:
    tifffile.imwrite(path, pixels(90, 31))


@pytest.mark.parametrize(
    ("write", "status", "expected", "arguments"),
    [
        (planar, 3, "has its colors along the first axis", REPEAT),
        (of_two_kinds, 2, "models of whole rows need", REPEAT),
        (with_reduced_copies, 3, "has reduced copies", REPEAT),
        (with_overlays, 3, "has overlays of single slices", REPEAT),
        (with_regions, 3, "has regions of single entries of axis T", REPEAT),
        (of_too_many_rows, 2, "at least one row", ("-d", "drop-rows", "--rate", 1)),
        (of_too_many_rows, 3, "more than 4 GiB", MILLIONS),
        (of_too_many_rows, 2, "needs rows of one element", (*DROP, "--where", "data > 60")),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_one_line(tmp_path, write, status, expected, arguments):
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    write(source)

    done = run(source, "-o", target, "--seed", 1, *arguments)

    lines = [line for line in done.lines if ": note:" not in line]
    assert (status, 1, b"") == (done.status, len(lines), done.output), done.messages
    assert expected in lines[0]
    assert [source] == list(tmp_path.iterdir())


def test_a_condition_chooses_rows_of_one_element(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", np.arange(300.0), metadata={})

    after = changed(tmp_path / "in.tif", "-d", "drop-rows", "--rate", 1, "--where", "data < 100",
                    "--chunk-size", "1k")  # fmt: skip

    np.testing.assert_array_equal(np.arange(100.0, 300), tifffile.imread(after))
