from __future__ import annotations

import io
import logging
import re
import struct
import sys
import zipfile
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from conformance import FormatConformance
from npy_files import noisy_as_npy
from PIL import Image, TiffImagePlugin
from run_command import noisy, noisy_file, run

from noisify.formats.tiff.source import quiet

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from pathlib import Path

    from conformance import Columns

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def pixels(*shape: int, dtype: str = "u1") -> np.ndarray:
    """Return pixels away from the ends of their range, no two neighbours alike."""
    return (np.arange(np.prod(shape)) * 37 % 150 + 50).reshape(shape).astype(dtype)


def refused(path: Path, *arguments: object, status: int = 3) -> str:
    """Return the one line that refuses a file."""
    done = run(path, *arguments, "-s", 1, "--seed", 1)
    assert (status, 1, b"") == (done.status, len(done.lines), done.output), done.messages
    assert path.name in done.messages
    return done.messages


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, bits: int, color: int, rows: bytes, **more: bytes) -> bytes:
    """Return a PNG of rows with their filter bytes, and chunks `before` and `after` them."""
    interlace = more.get("interlace", b"\0")
    head = struct.pack(">IIBBBB", width, height, bits, color, 0, 0) + interlace
    packed = zlib.compress(rows)
    middle = len(packed) // 2
    parts = [
        png_chunk(b"IHDR", head),
        more.get("before", b""),
        png_chunk(b"IDAT", packed[:middle]) + png_chunk(b"IDAT", packed[middle:]),
        more.get("after", b""),
        png_chunk(b"IEND", b""),
    ]
    return SIGNATURE + b"".join(parts)


def rows_of(array: np.ndarray) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in array)


class TestPng:
    @pytest.mark.parametrize(
        "array",
        [pixels(40, 50), pixels(40, 50, 3), pixels(40, 50, dtype="u2") * 200],
        ids=["gray", "rgb", "gray of 16 bits"],
    )
    def test_pixels_get_the_noise_of_their_array_noisy_as_npy(self, tmp_path, array):
        source = tmp_path / "in.png"
        Image.fromarray(array).save(source)

        found = np.asarray(Image.open(noisy_file(source, "--snr", 20)))

        assert array.dtype == found.dtype
        np.testing.assert_array_equal(noisy_as_npy(array, "--snr", 20, "-q"), found)

    @pytest.mark.parametrize("channels", [2, 4])
    def test_colors_get_the_noise_of_their_array_and_alpha_none(self, tmp_path, channels):
        source = tmp_path / "in.png"
        array = pixels(40, 50, channels)
        Image.fromarray(array).save(source)

        found = np.asarray(Image.open(noisy_file(source, "-s", 5)))

        expected = noisy_as_npy(array, "-s", 5)
        expected[..., -1] = array[..., -1]
        np.testing.assert_array_equal(expected, found)

    def test_alpha_does_not_count_for_a_level(self, tmp_path):
        files = [tmp_path / "opaque.png", tmp_path / "clear.png"]
        for file, alpha in zip(files, (255, 0), strict=True):
            array = pixels(40, 50, 4)
            array[..., 3] = alpha
            Image.fromarray(array).save(file)

        opaque, clear = (np.asarray(Image.open(noisy_file(f, "-s", "0.5sd"))) for f in files)

        np.testing.assert_array_equal(opaque[..., :3], clear[..., :3])

    def test_every_other_chunk_is_kept_to_the_byte_and_in_its_place(self):
        before = png_chunk(b"gAMA", struct.pack(">I", 45455)) + png_chunk(b"tEXt", b"Title\0x")
        after = png_chunk(b"eXIf", b"not really") + png_chunk(b"zzZz", b"a chunk of one's own")
        array = pixels(40, 50)
        data = png(50, 40, 8, 0, rows_of(array), before=before, after=after) + b"trailing"

        found = noisy("-s", 5, "-q", given=data)

        begin, end = data.index(b"IDAT") - 4, data.index(after)
        assert data[:begin] == found[:begin]
        assert data[end:] == found[-len(data[end:]) :]
        assert found[begin + 4 : begin + 8] == b"IDAT"
        np.testing.assert_array_equal(
            noisy_as_npy(array, "-s", 5), np.asarray(Image.open(io.BytesIO(found)))
        )

    def test_no_change_gives_the_file_back(self):
        data = png(50, 40, 8, 0, rows_of(pixels(40, 50))) + b"trailing"

        assert data == noisy("-s", 0, "-q", given=data)

    def test_an_interlaced_image_is_written_row_by_row(self):
        array = pixels(8, 8)
        cuts = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2),
                (1, 2, 0, 1)]  # fmt: skip
        rows = b"".join(rows_of(array[t::down, c::right]) for t, down, c, right in cuts)
        data = png(8, 8, 8, 0, rows, interlace=b"\1")

        done = run("-s", 5, "--seed", 1, given=data)

        assert "interlaced" in done.messages
        image = Image.open(io.BytesIO(done.output))
        np.testing.assert_array_equal(noisy_as_npy(array, "-s", 5), np.asarray(image))
        assert not image.info.get("interlace")
        assert data == run("-s", 0, "--seed", 1, given=data).output

    def test_a_transparent_color_is_kept_and_told(self):
        clear = png_chunk(b"tRNS", struct.pack(">H", 50))
        data = png(50, 40, 8, 0, rows_of(pixels(40, 50)), before=clear)

        done = run("-s", 5, "--seed", 1, given=data)

        assert "transparent color" in done.messages
        assert clear in done.output

    def test_the_bytes_do_not_depend_on_how_the_work_is_cut(self, tmp_path):
        source = tmp_path / "in.png"
        Image.fromarray(pixels(100, 300, 4)).save(source)

        whole = noisy_file(source, "-s", "0.1sd", "--jobs", 1).read_bytes()

        cut = noisy_file(source, "-s", "0.1sd", "--jobs", 3, "--chunk-size", 999).read_bytes()
        piped = noisy("-s", "0.1sd", "-q", given=source.read_bytes())
        assert [whole, whole] == [cut, piped]

    def test_where_chooses_pixels_by_their_values(self, tmp_path):
        source = tmp_path / "in.png"
        array = pixels(40, 50)
        Image.fromarray(array).save(source)

        found = np.asarray(Image.open(noisy_file(source, "-s", 50, "--where", "data > 99")))

        assert not (found != array)[array <= 99].any()
        assert (found != array)[array > 99].mean() > 0.9

    @pytest.mark.parametrize(
        ("mode", "message"), [("P", "convert it to RGB"), ("1", "convert it to 8 bits")]
    )
    def test_with_a_palette_or_packed_is_refused(self, tmp_path, mode, message):
        source = tmp_path / "in.png"
        Image.fromarray(pixels(40, 50)).convert(mode).save(source)

        assert message in refused(source)

    def test_animated_is_refused(self, tmp_path):
        source = tmp_path / "in.png"
        frames = [Image.fromarray(pixels(4, 5)), Image.fromarray(pixels(4, 5) + 1)]
        frames[0].save(source, save_all=True, append_images=frames[1:])

        assert "APNG" in refused(source)

    def test_what_pillow_would_cut_down_to_8_bits_is_refused(self, tmp_path):
        source = tmp_path / "in.png"
        source.write_bytes(png(5, 4, 16, 2, rows_of(pixels(4, 5, 3, dtype=">u2"))))

        assert "convert it to TIFF" in refused(source)

    def test_that_would_fill_memory_is_refused(self, tmp_path):
        source = tmp_path / "in.png"
        source.write_bytes(png(60_000, 60_000, 8, 0, b"\0"))

        assert "60000 x 60000 pixels" in refused(source)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda data: data[:8], "cut short"),
            (lambda data: data[:-13], "cut short"),
            (lambda data: data[:60] + b"\1" + data[61:], "checksum"),
            (lambda _: png(50, 40, 8, 0, rows_of(pixels(39, 50))), "fewer pixels"),
            (lambda _: png(50, 40, 8, 0, b"\7" * 40 * 51), "damaged"),
            (lambda _: png(50, 0, 8, 0, b""), "no pixels"),
            (lambda _: png(50, 40, 8, 5, b""), "color type 5"),
            (lambda data: data[:8] + data[33:], "IHDR"),
        ],
        ids=range(8),
    )
    def test_damaged_is_refused_and_leaves_nothing(self, tmp_path, damage, message):
        source = tmp_path / "in.png"
        source.write_bytes(damage(png(50, 40, 8, 0, rows_of(pixels(40, 50)))))

        assert message in refused(source, "-o", tmp_path / "out.png")
        assert [source] == list(tmp_path.iterdir())


class TestPngConformance(FormatConformance):
    suffix = ".png"
    names = ("data",)
    dtypes = ("u1", "u2")
    has_nan = False
    can_be_empty = False

    def write(self, path: Path, columns: Columns) -> None:
        Image.fromarray(columns["data"][np.newaxis]).save(path)

    def read(self, path: Path) -> Columns:
        values = np.asarray(Image.open(path))[0]
        return {"data": values.astype("u2") if values.dtype.kind == "i" else values}

    def specimens(self, folder: Path) -> Iterator[Path]:
        before = png_chunk(b"gAMA", struct.pack(">I", 45455)) + png_chunk(b"tEXt", b"Title\0one")
        after = png_chunk(b"tIME", bytes(7)) + png_chunk(b"prVt", b"of its own")
        kinds = {"gray": 0, "gray, opacity": 4, "RGB": 2, "RGB, opacity": 6, "gray, 16 bits": 0}
        for (kind, color), dtype in zip(kinds.items(), ["u1"] * 4 + [">u2"], strict=True):
            rows = rows_of(pixels(20, 10 * (1, 0, 3, 0, 2, 0, 4)[color]).astype(dtype))
            path = folder / f"{kind}.png"
            bits = 8 * np.dtype(dtype).itemsize
            path.write_bytes(png(10, 20, bits, color, rows, before=before, after=after))
            yield path

    def neighbours(self, path: Path) -> dict[str, Hashable]:
        """Return all chunks but the pixels' by a walk of their sizes, and the opacity by Pillow."""
        data, at, found = path.read_bytes(), len(SIGNATURE), {}
        while at < len(data):
            size, name = struct.unpack_from(">I4s", data, at)
            if name != b"IDAT":
                found[f"{len(found)} {name!r}"] = data[at : at + 12 + size]
            at += 12 + size
        with Image.open(path) as image:
            found["size and mode"] = (image.size, image.mode)
            found["opacity"] = image.getchannel("A").tobytes() if "A" in image.mode else b""
        assert len(found) > 7
        return found


class TestTiffConformance(FormatConformance):
    suffix = ".tif"
    names = ("data",)
    can_be_empty = False

    def write(self, path: Path, columns: Columns) -> None:
        tifffile.imwrite(path, columns["data"])

    def read(self, path: Path) -> Columns:
        return {"data": tifffile.imread(path)}

    def specimens(self, folder: Path) -> Iterator[Path]:
        for name, (values, options) in LAYOUTS.items():
            path = folder / f"{name}.tif"
            tifffile.imwrite(path, values, software="a test", **options)
            yield path

    def neighbours(self, path: Path) -> dict[str, Hashable]:
        """Return the tags of every page, by Pillow, which did not write the file."""
        found: dict[str, Hashable] = {}
        with path.open("rb") as file:
            head = file.read(8)
            head += file.read(8) if 43 in head[2:4] else b""  # BigTIFF
            tags = TiffImagePlugin.ImageFileDirectory_v2(head)
            while tags.next:
                file.seek(tags.next)
                tags.load(file)
                found |= {f"{file.tell()} {tag}": str(value) for tag, value in tags.items()}
        assert len(found) > 8
        return found


RGB = {"photometric": "rgb"}
GRAY = {"photometric": "minisblack"}
LAYOUTS = {
    "strips": (pixels(370, 45, 3, dtype="u2"), {"rowsperstrip": 7, **RGB}),
    "planes": (pixels(3, 37, 45), {"planarconfig": "separate", **RGB}),
    "tiles": (pixels(130, 150, 3, dtype="u2"), {"tile": (64, 48), **RGB}),
    "tiles of pages": (pixels(5, 100, 130, dtype="f4"), {"tile": (32, 32), **GRAY}),
    "tiles of planes": (
        pixels(3, 100, 130), {"tile": (32, 32), "planarconfig": "separate", **RGB}
    ),
    "tiles in depth": (
        pixels(40, 50, 60, dtype="f4"), {"tile": (16, 32, 32), "volumetric": True, **GRAY}
    ),
    "pages": (pixels(7, 37, 45, dtype="u2"), {"contiguous": False, "metadata": None, **GRAY}),
    "complex numbers": (pixels(37, 45, dtype="c8"), {}),
}  # fmt: skip


class TestTiff:
    def test_the_layouts_are_what_they_are_called(self, tmp_path):
        for name, (array, options) in LAYOUTS.items():
            tifffile.imwrite(tmp_path / "in.tif", array, **options)
            with tifffile.TiffFile(tmp_path / "in.tif") as file:
                (series,) = file.series
                assert ("tiles" in name) == series.keyframe.is_tiled
                assert array.shape == series.shape

    @pytest.mark.parametrize("name", LAYOUTS)
    def test_pixels_get_the_noise_of_their_array_noisy_as_npy(self, tmp_path, name):
        source = tmp_path / "in.tif"
        array, options = LAYOUTS[name]
        tifffile.imwrite(source, array, **options)

        found = noisy_file(source, "-s", 5, "--chunk-size", 10_000)

        np.testing.assert_array_equal(noisy_as_npy(array, "-s", 5), tifffile.imread(found))

    @pytest.mark.parametrize("name", LAYOUTS)
    def test_nothing_changes_but_samples(self, tmp_path, name):
        source = tmp_path / "in.tif"
        array, options = LAYOUTS[name]
        tifffile.imwrite(source, array, **options)
        with tifffile.TiffFile(source) as file:
            ends = [
                (at, at + size)
                for page in file.pages
                for at, size in zip(page.dataoffsets, page.databytecounts, strict=True)
            ]

        one, other = source.read_bytes(), noisy_file(source, "-s", 5).read_bytes()

        changed = np.frombuffer(one, "u1") != np.frombuffer(other, "u1")
        assert changed.any()
        for start, stop in ends:
            changed[start:stop] = False
        assert not changed.any()

    @pytest.mark.parametrize("name", LAYOUTS)
    def test_the_bytes_do_not_depend_on_how_the_work_is_cut(self, tmp_path, name):
        source = tmp_path / "in.tif"
        array, options = LAYOUTS[name]
        tifffile.imwrite(source, array, **options)

        whole = noisy_file(source, "-s", "0.1sd", "--jobs", 1).read_bytes()

        cut = noisy_file(source, "-s", "0.1sd", "--jobs", 3, "--chunk-size", 999).read_bytes()
        assert whole == cut

    def test_what_fills_up_a_tile_is_kept(self, tmp_path):
        source = tmp_path / "in.tif"
        tifffile.imwrite(source, pixels(40, 40), tile=(32, 32))
        with tifffile.TiffFile(source) as file:
            last = file.pages[0].dataoffsets[-1]
        data = bytearray(source.read_bytes())
        data[last + 8 : last + 32] = b"x" * 24  # right of the 8 columns that are left for it
        source.write_bytes(data)

        found = noisy_file(source, "-s", 5).read_bytes()

        assert data[last : last + 8] != found[last : last + 8]
        assert b"x" * 24 == found[last + 8 : last + 32]

    @pytest.mark.parametrize("big", [True, False])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_of_either_byte_order_and_of_any_size_is_read(self, tmp_path, order, big):
        source = tmp_path / "in.tif"
        array = pixels(37, 45, dtype="f8")
        tifffile.imwrite(source, array, byteorder=order, bigtiff=big)

        found = tifffile.imread(noisy_file(source, "-s", 5))

        np.testing.assert_array_equal(noisy_as_npy(array, "-s", 5), found)

    @pytest.mark.parametrize(
        "options", [{"imagej": True}, {"ome": True, "metadata": {"axes": "TCYX"}}]
    )
    def test_a_microscopes_stack_is_one_field(self, tmp_path, options):
        source = tmp_path / "in.tif"
        array = pixels(4, 3, 37, 45, dtype="u2")
        tifffile.imwrite(source, array, **options)

        target = noisy_file(source, "-s", 5)

        np.testing.assert_array_equal(noisy_as_npy(array, "-s", 5), tifffile.imread(target))
        with tifffile.TiffFile(source) as one, tifffile.TiffFile(target) as other:
            assert one.ome_metadata == other.ome_metadata
            assert one.imagej_metadata == other.imagej_metadata

    @pytest.mark.parametrize("channels", [2, 4])
    def test_of_another_program_is_read_and_its_alpha_kept(self, tmp_path, channels):
        source = tmp_path / "in.tif"
        array = pixels(40, 50, channels)
        Image.fromarray(array).save(source)

        found = np.asarray(Image.open(noisy_file(source, "-s", 5)))

        expected = noisy_as_npy(array, "-s", 5)
        expected[..., -1] = array[..., -1]
        np.testing.assert_array_equal(expected, found)

    def test_alpha_in_a_plane_of_its_own_is_kept(self, tmp_path):
        source = tmp_path / "in.tif"
        array = pixels(4, 40, 50)
        tifffile.imwrite(source, array, planarconfig="separate", extrasamples=["unassalpha"], **RGB)

        found = tifffile.imread(noisy_file(source, "-s", 5))

        expected = noisy_as_npy(array, "-s", 5)
        expected[-1] = array[-1]
        np.testing.assert_array_equal(expected, found)

    @pytest.mark.parametrize(("dtype", "nodata"), [("f4", "-9999"), ("i2", "-9999"), ("u1", "50")])
    def test_what_gdal_calls_missing_stays_missing(self, tmp_path, dtype, nodata):
        source = tmp_path / "in.tif"
        array = pixels(40, 50).astype(dtype)
        array[5:9, 3:] = int(nodata)
        tifffile.imwrite(source, array, extratags=[(42113, "s", 0, nodata, True)])

        found = tifffile.imread(noisy_file(source, "-s", 5))

        missing = array == int(nodata)
        np.testing.assert_array_equal(array[missing], found[missing])
        expected = noisy_as_npy(array, "-s", 5)
        made = ~missing & (expected == int(nodata))
        assert {1} >= set(np.abs(expected[made].astype(int) - found[made]).tolist())
        assert np.array_equal(expected[~missing & ~made], found[~missing & ~made])

    def test_a_missing_value_that_the_samples_cannot_have_means_nothing(self, tmp_path):
        source = tmp_path / "in.tif"
        array = pixels(40, 50) - 50
        tifffile.imwrite(source, array, extratags=[(42113, "s", 0, "-9999", True)])

        found = tifffile.imread(noisy_file(source, "-s", 5))

        np.testing.assert_array_equal(noisy_as_npy(array, "-s", 5), found)

    def test_images_of_several_kinds_are_fields_of_their_own(self, tmp_path):
        source = tmp_path / "in.tif"
        with tifffile.TiffWriter(source) as file:
            file.write(pixels(37, 45))
            file.write(pixels(11, 13, dtype="f4"))

        found = noisy_file(source, "-s", 5, "-c", "data/1")

        with tifffile.TiffFile(found) as file:
            np.testing.assert_array_equal(pixels(37, 45), file.series[0].asarray())
            assert not np.any(pixels(11, 13, dtype="f4") == file.series[1].asarray())
        both = noisy_file(source, "-s", 5, "-c", "data/*")
        with tifffile.TiffFile(both) as file:
            assert np.mean(pixels(37, 45) == file.series[0].asarray()) < 0.2

    def test_the_reduced_copies_of_an_image_stay_and_it_says_so(self, tmp_path):
        source = tmp_path / "in.tif"
        small = pixels(32, 32, dtype="u2")
        with tifffile.TiffWriter(source) as file:
            file.write(pixels(64, 64, dtype="u2"), subifds=1)
            file.write(small, subfiletype=1)
        target = tmp_path / "out.tif"

        done = run(source, "-o", target, "-s", 5, "--seed", 1)

        assert "reduced copies" in done.messages
        with tifffile.TiffFile(target) as file:
            levels = file.series[0].levels
            assert np.any(pixels(64, 64, dtype="u2") != levels[0].asarray())
            np.testing.assert_array_equal(small, levels[1].asarray())

    def test_compressed_is_refused_with_a_way_out(self, tmp_path):
        source = tmp_path / "in.tif"
        tifffile.imwrite(source, pixels(40, 50), compression="zlib")

        assert "tiffcp -c none" in refused(source)

    @pytest.mark.parametrize(
        ("mode", "message"), [("P", "convert it to RGB"), ("1", "of 1 bits, packed")]
    )
    def test_with_a_palette_or_packed_is_refused(self, tmp_path, mode, message):
        source = tmp_path / "in.tif"
        Image.fromarray(pixels(40, 50)).convert(mode).save(source)

        assert message in refused(source)

    def test_cut_anywhere_is_refused_in_one_line(self, tmp_path):
        tifffile.imwrite(tmp_path / "whole.tif", pixels(40, 50))
        data = (tmp_path / "whole.tif").read_bytes()
        source = tmp_path / "in.tif"
        for length in (5, 8, 20, 100, 200, len(data) - 1):
            source.write_bytes(data[:length])

            refused(source, "-o", tmp_path / "out.tif")

        assert not (tmp_path / "out.tif").exists()

    @pytest.mark.parametrize("wish", [("--mask", "mask.tif"), ("--append",)])
    def test_wishes_that_are_not_for_images_are_refused(self, tmp_path, wish):
        source = tmp_path / "in.tif"
        tifffile.imwrite(source, pixels(4, 5))
        wish = [tmp_path / part if "." in part else part for part in wish]

        assert "TIFF" in refused(source, "-o", tmp_path / "o.tif", *wish, status=2)
        assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("suffix", "library", "name"), [("png", "PIL", "Pillow"), ("tif", "tifffile", "tifffile")]
)
def test_a_missing_library_is_named_with_the_way_to_get_it(
    tmp_path, monkeypatch, suffix, library, name
):
    source = tmp_path / f"in.{suffix}"
    Image.fromarray(pixels(4, 5)).save(source)
    for module in ("png", "tiff.source", "tiff.format"):
        monkeypatch.delitem(sys.modules, f"noisify.formats.{module}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)

    message = refused(source, status=2)

    assert f"need {name}; pip install 'noisify-cli[images]'" in message


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.spreadsheet")
    return file.getvalue()


def encoded(form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels(40, 50)).save(file, form)
    return file.getvalue()


OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000)
XLSX = zipped("[Content_Types].xml", "xl/workbook.xml")
OPENPYXL = zipped("docProps/app.xml", "xl/workbook.xml")
ODS = zipped("mimetype", "content.xml")


class TestForeignFiles:
    @pytest.mark.parametrize(
        ("name", "data", "hint"),
        [
            ("a.xlsx", XLSX, "save its table as CSV first"),
            ("a.xlsx", OPENPYXL, "save its table as CSV first"),
            ("a.ods", ODS, "save its table as CSV first"),
            ("a.xls", OLE, "pandas.read_excel"),
            ("a.json", b'[{"a": 1}]', "pandas.read_json(FILE)"),
            ("a.jsonl", b'{"a": 1}\n', "lines=True"),
            ("a.ndjson", b'{"a": 1}\n', "lines=True"),
            ("a.jpg", encoded("jpeg"), "convert it to PNG"),
            ("a.gif", encoded("gif"), "convert it to PNG"),
            ("a.bmp", encoded("bmp"), "convert it to PNG"),
            ("a.webp", encoded("webp"), "convert it to PNG"),
            ("a.flac", b"fLaC\0\0\0\x22" + bytes(99), "convert it to WAV"),
            ("a.mp3", b"\xff\xfb\x90\0" + bytes(99), "convert it to WAV"),
        ],
    )
    def test_are_refused_with_what_to_do_instead(self, tmp_path, name, data, hint):
        source = tmp_path / name
        source.write_bytes(data)

        assert hint in refused(source)

    @pytest.mark.parametrize("data", [XLSX, OPENPYXL, ODS, OLE, encoded("jpeg"), b"fLaC\0"])
    def test_are_known_by_their_first_bytes(self, data):
        done = run("-s", 1, "--seed", 1, given=data)

        assert (3, 1) == (done.status, len(done.lines))
        assert "first" in done.messages

    def test_are_not_mistaken_for_them_by_a_name_that_from_overrules(self, tmp_path):
        source = tmp_path / "table.json"
        source.write_bytes(b"a,b\n1.5,2\n")

        done = run(source, "--from", "csv", "-s", 1, "--seed", 1)

        assert (0, "") == (done.status, done.messages)

    @pytest.mark.parametrize(
        "start", [b"BM,ID3\n1.5,2\n", b"FORM,RIFF\n1.5,2\n", b"ID3,x\n1.5,2\n"]
    )
    def test_are_not_tables_that_start_with_the_same_letters(self, start):
        done = run("-s", 9, "--seed", 1, "-c", "*", given=start)

        assert (0, "") == (done.status, done.messages)

    @pytest.mark.parametrize("name", ["out.xlsx", "out.json", "out.jpg", "out.mp3"])
    def test_are_not_written(self, tmp_path, name):
        source = tmp_path / "in.csv"
        source.write_bytes(b"a\n1.5\n")

        message = refused(source, "-o", tmp_path / name, status=2)

        assert f"{name}; name it" in message


class TestTiffThatLies:
    GREY = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)

    def patched(self, path, tag, index, value, **options):
        """Write a TIFF file in which one value of a tag is another."""
        tifffile.imwrite(path, self.GREY, **options)
        with tifffile.TiffFile(path) as file:
            found = file.pages[0].tags[tag]
            place, size = found.valueoffset, found.dtype.value
        width = {3: 2, 4: 4, 16: 8}[size]
        data = bytearray(path.read_bytes())
        data[place + width * index : place + width * (index + 1)] = value.to_bytes(width, "little")
        path.write_bytes(data)
        return path

    def offsets(self, path, **options):
        tifffile.imwrite(path, self.GREY, **options)
        with tifffile.TiffFile(path) as file:
            return file.pages[0].dataoffsets

    def refused(self, source):
        done = run(source, "-o", source.with_name("out.tif"), "-s", 5, "--seed", 1)
        assert (3, False) == (done.status, source.with_name("out.tif").exists())
        (line,) = done.lines
        return line

    @pytest.mark.parametrize(
        ("tag", "options"),
        [("StripOffsets", {"rowsperstrip": 16}), ("TileOffsets", {"tile": (16, 16)}),
         ("TileOffsets", {"tile": (16, 16), "bigtiff": True})],
    )  # fmt: skip
    @pytest.mark.parametrize("shift", [0, 5, -5])
    def test_strips_and_tiles_that_overlap_are_refused(self, tag, options, shift, tmp_path):
        path = tmp_path / "in.tif"
        first = self.offsets(path, **options)[0]
        line = self.refused(self.patched(path, tag, 2, max(0, first + shift), **options))
        assert "has strips or tiles that share bytes of the file" in line

    def test_samples_over_the_header_are_refused(self, tmp_path):
        path = tmp_path / "in.tif"
        line = self.refused(self.patched(path, "StripOffsets", 1, 4, rowsperstrip=16))
        assert "share bytes of the file" in line

    def test_pages_that_share_their_samples_are_refused(self, tmp_path):
        path = tmp_path / "in.tif"
        with tifffile.TiffWriter(path) as file:
            file.write(self.GREY, metadata=None)
            file.write(self.GREY.astype(np.uint16), metadata=None)
        with tifffile.TiffFile(path) as file:
            first, second = file.pages
            place = second.tags["StripOffsets"].valueoffset
            at = first.dataoffsets[0]
        data = bytearray(path.read_bytes())
        data[place : place + 4] = at.to_bytes(4, "little")
        path.write_bytes(data)
        assert "share bytes of the file" in self.refused(path)

    @pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}])
    @pytest.mark.parametrize("back_to", [0, 1, 2])
    def test_pages_that_lead_in_a_circle_are_refused(self, options, back_to, tmp_path):
        path = tmp_path / "in.tif"
        pages = np.stack([self.GREY] * 3)
        tifffile.imwrite(path, pages, photometric="minisblack", metadata=None, **options)
        with tifffile.TiffFile(path) as file:
            form, last = file.tiff, file.pages[2]
            place = last.offset + form.tagnosize + len(last.tags) * form.tagsize
            first = file.pages[back_to].offset
        data = bytearray(path.read_bytes())
        struct.pack_into(form.offsetformat, data, place, first)
        path.write_bytes(data)
        assert "has pages that lead in a circle" in self.refused(path)

    @pytest.mark.parametrize("bits", [0, 255])
    def test_a_stack_of_samples_of_no_type_is_damaged(self, bits, tmp_path):
        path = tmp_path / "in.tif"
        tifffile.imwrite(path, np.stack([self.GREY] * 2), photometric="minisblack")
        with tifffile.TiffFile(path) as file:
            place = file.pages[0].tags["BitsPerSample"].valueoffset
        data = bytearray(path.read_bytes())
        data[place] = bits
        path.write_bytes(data)
        line = self.refused(path)
        assert "is damaged: tags make no sense to tifffile (AssertionError" in line

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('SizeT="2"', 'SizeT="99999999999"'),
            ('SizeC="1"', 'SizeC="99999999999"'),
            ('PlaneCount="2"', 'PlaneCount="99999999999"'),
            ('PlaneCount="2"/>', '/><Any><ModuloAlongZ Start="0" End="1e12" Step=".1"/></Any>'),
        ],
    )
    def test_planes_that_are_not_there_take_no_memory(self, old, new, tmp_path):
        path = tmp_path / "in.tif"
        tifffile.imwrite(path, np.stack([self.GREY] * 2), ome=True, metadata={"axes": "TYX"})
        with tifffile.TiffFile(path) as file:
            text = file.ome_metadata
        assert old in text
        description = text.replace(old, new).encode()
        tifffile.imwrite(path, np.stack([self.GREY] * 2), description=description, metadata=None)
        assert re.search(r"its OME description claims \d+ planes of 2$", self.refused(path))

    @pytest.mark.parametrize("seed", range(30))
    def test_damaged_tags_end_in_one_line_or_in_a_file(self, seed, tmp_path):
        path, target = tmp_path / "in.tif", tmp_path / "out.tif"
        random = np.random.default_rng(seed)
        array, options = list(LAYOUTS.values())[seed % len(LAYOUTS)]
        tifffile.imwrite(path, array[:9], **{**options, "bigtiff": seed % 3 == 0})
        with tifffile.TiffFile(path) as file:
            entries = [(tag.offset, file.tiff.tagsize) for tag in file.pages[0].tags]
        data = bytearray(path.read_bytes())
        for place, size in random.choice(entries, 2):
            at, width = place + random.integers(2, size - 4), random.choice([1, 2, 4])
            number = random.choice([0, 1, 2**8 - 1, 2**15, 2**16 - 1, 2**31, 2**32 - 1])
            data[at : at + width] = int(number).to_bytes(4, "little")[:width]
        path.write_bytes(data)
        model = [("-s", 5), ("-d", "drop-rows", "--rate", "30%")][seed % 2]

        done = run(path, "-o", target, "--seed", 1, "-q", *model)

        assert done.status in {0, 2, 3}, done.messages
        assert (done.status == 0) == target.exists()
        assert len(done.lines) == (done.status != 0)

    @pytest.mark.parametrize("tag", ["ImageWidth", "ImageLength"])
    @pytest.mark.parametrize("options", [{}, {"rowsperstrip": 16}, {"tile": (16, 16)}])
    def test_a_size_that_is_not_there_is_refused_at_once(self, tag, options, tmp_path):
        path = tmp_path / "in.tif"
        tifffile.imwrite(path, self.GREY, **options)
        with tifffile.TiffFile(path) as file:
            found = file.pages[0].tags[tag]
            place, kind = found.valueoffset, found.offset + 2
        data = bytearray(path.read_bytes())
        data[kind : kind + 2] = (4).to_bytes(2, "little")
        data[place : place + 4] = (10**9).to_bytes(4, "little")
        path.write_bytes(data)
        assert re.search("not stored|cut short", self.refused(path))

    @pytest.mark.parametrize("width", [10**9, 2**31 - 1, 2**32 - 1])
    def test_png(self, width, tmp_path):
        path = tmp_path / "in.png"
        Image.fromarray(self.GREY).save(path)
        data = bytearray(path.read_bytes())
        data[16:24] = width.to_bytes(4, "big") * 2
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        path.write_bytes(data)
        done = run(path, "-o", tmp_path / "out.png", "-s", 5, "--seed", 1)
        assert (3, 1) == (done.status, len(done.lines))
        assert f"has {width} x {width} pixels" in done.messages


def test_tifffile_is_silent_while_any_thread_opens_a_file(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tifffile")
    opening = ExitStack()
    opening.enter_context(quiet())

    with quiet():
        opening.close()  # one file is open before the other is
        logger.warning("a damaged tag")
    logger.warning("of the caller")

    assert ["of the caller"] == caplog.messages
