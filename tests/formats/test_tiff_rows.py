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
    "OME times of channels": (
        pixels(9, 2, 17, 15), {"ome": True, "metadata": {"axes": "TCYX"}}
    ),
    "OME tiles": (pixels(9, 30, 20), {"ome": True, "tile": (16, 16), "metadata": {"axes": "TYX"}}),
    "OME colors": (pixels(9, 17, 15, 3), {"ome": True, "metadata": {"axes": "TYXS"}, **RGB}),
    "OME image": (pixels(90, 31), {"ome": True}),
}  # fmt: skip


KEPT: dict[tuple[object, ...], NDArray[np.int64]] = {}


def changed(source: Path, *arguments: object, seed: int = 1) -> Path:
    target = source.with_name(f"out{source.suffix}")
    done = run(source, "-o", target, "--seed", seed, "-q", *arguments)
    assert (0, b"") == (done.status, done.output), done.messages
    return target


def kept(folder: Path, count: int, *arguments: object, seed: int = 1) -> NDArray[np.int64]:
    """Return which rows come out of a table of as many; each is asked once."""
    if (count, arguments, seed) in KEPT:
        return KEPT[count, arguments, seed]
    table = folder / "rows.csv"
    table.write_text("row\n" + "".join(f"{at}\n" for at in range(count)))
    rows = np.loadtxt(changed(table, *arguments, seed=seed), np.int64, skiprows=1, ndmin=1)
    KEPT[count, arguments, seed] = rows
    return rows


@pytest.mark.parametrize(
    ("model", "cut"),
    [(DROP, ("--chunk-size", "1k", "-j", 2)), (REPEAT, ("--chunk-size", "1k")), (REPEAT, ())],
    ids=["drop-cut", "repeat-cut", "repeat-whole"],
)
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


@pytest.mark.parametrize("name", ["strips", "pages", "OME"])
def test_as_many_rows_as_before_that_are_others(tmp_path, name):
    array, options = FILES[name]
    tifffile.imwrite(tmp_path / "in.tif", array, **options)
    models = [("--noise", "=drop-rows:20%"), ("--noise", "=duplicate-rows:20%")]
    both = [word for model in models for word in model]
    seed = next(
        seed
        for seed in range(2, 200)
        if len(rows := kept(tmp_path, len(array), *both, seed=seed)) == len(array)
        and np.any(rows != np.arange(len(array)))
    )

    after = tifffile.imread(changed(tmp_path / "in.tif", *both, seed=seed))

    np.testing.assert_array_equal(array[kept(tmp_path, len(array), *both, seed=seed)], after)


def test_pages_keep_their_tags(tmp_path):
    tags = [(65000, "d", 3, (1.0, 2.0, 3.0), False), (65001, "s", 0, "only the first", True),
            (297, "H", 2, (1, 9), False)]  # fmt: skip
    tifffile.imwrite(
        tmp_path / "in.tif", pixels(9, 17, 15), metadata=None, extratags=tags, software="a program",
        resolution=((72, 1), (300, 7)), resolutionunit="INCH", datetime="2024:01:01 00:00:00",
        **GRAY,
    )  # fmt: skip

    target = changed(tmp_path / "in.tif", *REPEAT)

    with tifffile.TiffFile(target) as file, tifffile.TiffFile(tmp_path / "in.tif") as old:
        assert len(kept(tmp_path, 9, *REPEAT)) == len(file.pages)
        for at, page in enumerate(file.pages):
            before = {tag.name: tag.value for tag in old.pages[min(at, 1)].tags}
            found = {tag.name: tag.value for tag in page.tags}
            moved = {"StripOffsets", "StripByteCounts", "RowsPerStrip", "PageNumber"}
            assert set(before) - {"PageNumber"} == set(found)
            assert {n: v for n, v in before.items() if n not in moved} == {
                name: value for name, value in found.items() if name not in moved
            }


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
</o:Pixels></o:Image></o:OME>"""


def ome_file(path: Path, **more: str) -> NDArray:
    array = pixels(5, 2, 17, 15)
    data = "".join(
        f'<o:TiffData IFD="{2 * t + c}" FirstT="{t}" FirstC="{c}" PlaneCount="1">'
        '<o:UUID FileName="in.tif">urn:uuid:1</o:UUID></o:TiffData>'
        for t in range(5) for c in range(2)
    )  # fmt: skip
    text = OME.format(data=data)
    for old, new in more.items():
        text = text.replace(f"</o:{old}>", new)
    tifffile.imwrite(path, array, description=text.encode(), metadata=None, **GRAY)
    return array


@pytest.mark.parametrize("model", ["drop-rows:60%", "duplicate-rows:60%,times=3"])
def test_the_planes_of_an_ome_description_follow(tmp_path, model):
    array = ome_file(tmp_path / "in.tif")

    with tifffile.TiffFile(changed(tmp_path / "in.tif", "--noise", f"={model}")) as file:
        after, text = file.asarray(), file.ome_metadata

    rows = kept(tmp_path, 5, "--noise", f"={model}")
    assert len(rows) != 5
    np.testing.assert_array_equal(array[rows], after)
    data = f'<o:TiffData IFD="0" PlaneCount="{2 * len(rows)}"/>'
    with tifffile.TiffFile(tmp_path / "in.tif") as file:
        expected = re.sub("<o:TiffData.*</o:TiffData>", data, file.ome_metadata)
    assert expected.replace('SizeT="5"', f'SizeT="{len(rows)}"') == text


def with_exif(path: Path) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x829D: (28, 10)}
    Image.fromarray(pixels(90, 31)).save(path, exif=exif.tobytes())


def with_labels(path: Path) -> None:
    tifffile.imwrite(path, pixels(9, 17, 15), imagej=True, metadata={"Labels": [*"abcdefghi"]})


def with_tags_of_pages(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for at in range(9):
            file.write(pixels(17, 15), metadata=None, description=f"page {at}")


def with_channels(path: Path) -> None:
    tifffile.imwrite(path, pixels(9, 17, 15), ome=True, metadata={"axes": "CYX"})


def with_pages_beside(path: Path) -> None:
    text = OME.format(data='<o:TiffData IFD="0" PlaneCount="10"/>')
    array = pixels(12, 17, 15)
    tifffile.imwrite(path, array, description=text.encode(), metadata=None, **GRAY)


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


def with_regions(path: Path) -> None:
    ome_file(path, Image='</o:Image><o:ROI><o:Point TheT="1"/></o:ROI>')


def of_too_many_rows(path: Path) -> None:
    tifffile.imwrite(path, pixels(90, 31))


@pytest.mark.parametrize(
    ("write", "status", "expected", "arguments"),
    [
        (planar, 3, "has its colors along the first axis", REPEAT),
        (of_two_kinds, 2, "models of whole rows need", REPEAT),
        (with_reduced_copies, 3, "has directories besides its pages (SubIFDs)", REPEAT),
        (with_exif, 3, "has directories besides its pages (ExifTag)", REPEAT),
        (with_labels, 3, "has labels or colors of single slices", REPEAT),
        (with_tags_of_pages, 3, "has pages with a tag 270 of their own", REPEAT),
        (with_regions, 3, "has an OME description of single entries of axis T", REPEAT),
        (with_channels, 3, "has an OME description of single entries of axis C", REPEAT),
        (with_pages_beside, 3, "has pages beside those of its array", REPEAT),
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
