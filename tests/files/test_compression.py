"""Compressed inputs and outputs: exchange with other software, and damaged data."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import random
import sys
import threading
import zlib
from typing import TYPE_CHECKING, ClassVar

import duckdb
import h5py
import lz4.frame
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from conformance import FormatConformance
from run_command import noisy, run

from noisify.core.errors import DataError, UsageError
from noisify.files import codecs
from noisify.files.compress import CompressedFile
from noisify.files.decompress import open_decompressed
from noisify.files.input import Input, known_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from noisify.files.codecs import Codec

NUMBERS = random.Random(1)  # noqa: S311 - numbers to compress
TABLE = ("x,name\n" + "".join(f"{NUMBERS.gauss(0, 1)!r},a\n" for _ in range(2000))).encode()
SMALL = b"x,name\n0.5,a\n1.5,b\n"
CODECS = {codec.name: codec for codec in codecs.CODECS}
ZEROS = b"\0\0\0\0"


def zstd_compress(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def zstd_decompress(data: bytes) -> bytes:
    whole = zstandard.ZstdDecompressor().decompressobj()
    out = whole.decompress(data)
    assert whole.eof
    assert not whole.unused_data
    return out


def lz4_compress(data: bytes) -> bytes:
    return lz4.frame.compress(data, content_checksum=True)


COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd_compress,
    "lz4": lz4_compress,
}
DECOMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "bzip2": bz2.decompress,
    "xz": lzma.decompress,
    "zstd": zstd_decompress,
    "lz4": lz4.frame.decompress,
}


@pytest.fixture(params=[*CODECS, "gzip without isal"])
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return each codec's name; gzip twice, with and without isal."""
    codec, *without = str(request.param).split()
    if without:
        monkeypatch.setitem(sys.modules, "isal", None)
    return codec


@pytest.fixture(params=["isal", "zlib"])
def deflate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with and without isal."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    return str(request.param)


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder for temporary files, which must be empty at the end."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    assert [] == list(folder.iterdir())


def packed_file(folder: Path, name: str, content: bytes = TABLE, stem: str = "data.csv") -> Path:
    path = folder / (stem + CODECS[name].suffix)
    path.write_bytes(COMPRESS[name](content))
    return path


def unpack(data: bytes, name: str) -> bytes:
    """Read compressed bytes as noisify does."""
    with open_decompressed(io.BytesIO(data), CODECS[name], "data") as stream:
        return stream.read()


def skippable(content: bytes) -> bytes:
    """Return a frame that zstd and lz4 readers must pass over."""
    return b"\x53\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


# In.


def test_a_compressed_file_is_read_as_what_is_inside(tmp_path: Path, name: str) -> None:
    assert noisy("-s", 1, given=TABLE) == noisy(packed_file(tmp_path, name), "-s", 1)


def test_a_compressed_pipe_is_read_as_what_is_inside(name: str) -> None:
    assert noisy("-s", 1, given=TABLE) == noisy("-s", 1, given=COMPRESS[name](TABLE))


def test_compressed_data_needs_no_suffix(tmp_path: Path, name: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(COMPRESS[name](TABLE))

    assert noisy("-s", 1, given=TABLE) == noisy(path, "-s", 1)


def test_the_magic_bytes_win_over_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_bytes(zstd_compress(TABLE))

    assert noisy("-s", 1, given=TABLE) == noisy(path, "-s", 1)


def test_a_second_pass_reads_a_compressed_file_again(
    tmp_path: Path, spool: Path, name: str
) -> None:
    source = packed_file(tmp_path, name)
    spool.chmod(0o500)

    done = run(source, "-s", "0.1sd", "--seed", 1)

    assert (0, "") == (done.status, done.messages)
    assert noisy("-s", "0.1sd", "-q", given=TABLE) == done.output


@pytest.mark.usefixtures("spool")
def test_a_second_pass_spools_a_compressed_pipe() -> None:
    done = run("-s", "0.1sd", "--seed", 1, given=gzip.compress(TABLE))

    assert noisy("-s", "0.1sd", "-q", given=TABLE) == done.output
    assert "temporary file" in done.messages


def test_a_compressed_named_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv.gz"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[gzip.compress(TABLE)])
    writer.start()

    assert noisy("-s", 1, given=TABLE) == noisy(pipe, "-s", 1)
    writer.join()


def test_a_compressed_tsv_is_split_at_tabs(tmp_path: Path) -> None:
    packed = packed_file(tmp_path, "gzip", b"x\tnote\n0.5\ta,b,c\n", "data.tsv")

    assert noisy(packed, "-s", 0) == b"x\tnote\n0.5\ta,b,c\n"


@pytest.mark.parametrize("text", [b"BZh9,note\n0.5,a\n", b"BZh\n0.5\n"])
def test_a_table_that_starts_with_the_letters_of_bzip2_is_a_table(text: bytes) -> None:
    assert text == noisy("-s", 0, given=text)


def test_a_table_without_compression_under_a_compressed_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_bytes(TABLE)

    done = run(path, "-s", 1)

    assert (3, b"") == (done.status, done.output)
    assert done.messages == (
        f"noisify: {path}: is not gzip data, as its name says; rename it if it is not compressed\n"
    )


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)], ids=["nothing", "gzip"])
def test_an_empty_compressed_file_is_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_bytes(content)

    done = run(path, "-s", 1)

    assert (3, [f"noisify: {path}: is empty"]) == (done.status, done.lines)


def test_a_file_that_is_compressed_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(zstd_compress(TABLE)))

    done = run(path, "-s", 1)

    assert (3, 1) == (done.status, len(done.lines))
    assert "twice" in done.messages


def test_only_uncompressed_files_have_a_known_size(tmp_path: Path) -> None:
    plain = tmp_path / "data.csv"
    plain.write_bytes(TABLE)
    packed = packed_file(tmp_path, "xz")

    assert (len(TABLE), 0, 0) == (known_size(plain), known_size(packed), known_size("-"))
    with Input(plain) as opened:
        assert len(TABLE) == opened.size
    with Input(packed) as opened:
        assert opened.size is None


# Members.

MEMBERS = {
    "two members": ("gzip", lambda pack, one, two: pack(one) + pack(two)),
    "an empty member": ("gzip", lambda pack, one, two: pack(one) + pack(b"") + pack(two)),
    "zeros at the end": ("gzip", lambda pack, one, two: pack(one + two) + bytes(700)),
    "zeros between": ("gzip", lambda pack, one, two: pack(one) + bytes(5) + pack(two)),
    "two bzip2 streams": ("bzip2", lambda pack, one, two: pack(one) + pack(two)),
    "an empty bzip2 stream": ("bzip2", lambda pack, one, two: pack(b"") + pack(one + two)),
    "two xz streams": ("xz", lambda pack, one, two: pack(one) + pack(two)),
    "padded xz streams": ("xz", lambda pack, one, two: pack(one) + ZEROS + pack(two) + 2 * ZEROS),
    "two zstd frames": ("zstd", lambda pack, one, two: pack(one) + pack(two)),
    "skippable zstd frames": (
        "zstd",
        lambda pack, one, two: b"".join(
            (skippable(b"ab"), pack(one), skippable(b""), pack(two), skippable(bytes(99)))
        ),
    ),
    "two lz4 frames": ("lz4", lambda pack, one, two: pack(one) + pack(two)),
    "skippable lz4 frames": (
        "lz4",
        lambda pack, one, two: skippable(b"a") + pack(one) + skippable(b"") + pack(two),
    ),
}


@pytest.mark.parametrize("case", MEMBERS)
def test_every_member_is_read(tmp_path: Path, case: str) -> None:
    name, joined = MEMBERS[case]
    path = tmp_path / f"data.csv{CODECS[name].suffix}"
    path.write_bytes(joined(COMPRESS[name], TABLE[:7001], TABLE[7001:]))

    assert noisy("-s", 1, given=TABLE) == noisy(path, "-s", 1)


class ShortReads(io.BytesIO):
    """A file that gives at most so many bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self._step = step

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._step if size is None or size < 0 else min(size, self._step))


@pytest.mark.usefixtures("deflate")
@pytest.mark.parametrize("step", [1, 2, 3, 5, 64])
@pytest.mark.parametrize("case", MEMBERS)
def test_every_member_is_read_wherever_a_read_ends(case: str, step: int) -> None:
    name, joined = MEMBERS[case]
    parts = SMALL[:9], SMALL[9:] + bytes(1_100_000)  # more than what is unpacked at once
    packed = ShortReads(joined(COMPRESS[name], *parts), step)

    with open_decompressed(packed, CODECS[name], "data") as stream:
        assert b"".join(parts) == stream.read()


def test_a_gzip_header_with_all_optional_fields() -> None:
    body = zlib.compressobj(wbits=-15)
    head = b"\x1f\x8b\x08\x1e\1\2\3\4\0\3" + b"\4\0abcd" + b"name\0" + b"comment\0"
    head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little")
    tail = zlib.crc32(SMALL).to_bytes(4, "little") + len(SMALL).to_bytes(4, "little")

    assert SMALL == unpack(head + body.compress(SMALL) + body.flush() + tail, "gzip")


def test_highly_compressed_data_is_read_in_blocks(name: str) -> None:
    zeros = bytes(1 << 25)
    stream = open_decompressed(io.BytesIO(COMPRESS[name](zeros)), CODECS[name], "data")
    pieces = []
    with stream:
        while piece := stream.read(len(zeros)):
            pieces.append(len(piece))

    assert len(zeros) == sum(pieces)
    assert max(pieces) <= 1 << 20


# What is wrong.


@pytest.mark.parametrize("members", [1, 2])
def test_data_cut_short_anywhere_is_an_error(name: str, members: int) -> None:
    member = COMPRESS[name](SMALL)
    before = member * (members - 1)

    for count in range(1, len(member)):
        with pytest.raises(DataError, match=r"^data: is cut short"):
            unpack(before + member[:count], name)


@pytest.mark.parametrize(
    "garbage",
    [b"x", b"\n", b"garbage", b"\xff" * 100, TABLE, b"\0x", b"\0" * 10 + b"garbage"],
)
def test_trailing_garbage_is_an_error(name: str, garbage: bytes) -> None:
    with pytest.raises(DataError, match=r"^data: (goes on|is cut short)"):
        unpack(COMPRESS[name](SMALL) + garbage, name)


@pytest.mark.parametrize("name", ["bzip2", "zstd", "lz4"])
def test_trailing_zeros_that_are_not_padding_are_an_error(name: str) -> None:
    with pytest.raises(DataError, match=r"^data: (goes on|is cut short)"):
        unpack(COMPRESS[name](SMALL) + ZEROS, name)


@pytest.mark.parametrize("zeros", [1, 2, 3, 5, 4_000_001])
def test_xz_padding_comes_in_fours(zeros: int) -> None:
    with pytest.raises(DataError, match="goes on with other bytes"):
        unpack(lzma.compress(SMALL) + bytes(zeros), "xz")


def test_a_member_of_another_codec_is_garbage() -> None:
    with pytest.raises(DataError, match="goes on with other bytes"):
        unpack(gzip.compress(SMALL) + bz2.compress(SMALL), "gzip")


def test_a_flipped_bit_never_changes_the_data_silently(name: str) -> None:
    whole = COMPRESS[name](TABLE)
    silent = 0
    for place in range(20, len(whole), 499):
        spoiled = bytearray(whole)
        spoiled[place] ^= 4
        with contextlib.suppress(DataError):
            assert unpack(bytes(spoiled), name) == TABLE
            silent += 1  # a bit may be unused

    assert silent <= 1


CHECKSUMS = {"gzip": -8, "bzip2": -3, "xz": -40, "zstd": -1, "lz4": -1}


def test_a_bad_checksum_is_an_error(name: str) -> None:
    spoiled = bytearray(COMPRESS[name](TABLE))
    spoiled[CHECKSUMS[name]] ^= 1

    with pytest.raises(DataError, match=f"^data: is damaged: its {name} data do not decompress"):
        unpack(bytes(spoiled), name)


def test_a_wrong_gzip_length_is_an_error() -> None:
    spoiled = bytearray(gzip.compress(TABLE))
    spoiled[-4] ^= 1

    with pytest.raises(DataError, match="is damaged"):
        unpack(bytes(spoiled), "gzip")


def test_xz_data_that_needs_much_memory_is_refused() -> None:
    data = bytearray(lzma.compress(SMALL, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}]))
    header = slice(12, 12 + 4 * data[12])
    dictionary = data.index(b"\x21\x01\x00", header.start) + 2
    data[dictionary] = 34  # 512 MiB
    data[header.stop : header.stop + 4] = zlib.crc32(data[header]).to_bytes(4, "little")

    with pytest.raises(DataError, match="Memory usage limit"):
        unpack(bytes(data), "xz")


@pytest.mark.parametrize("wrong", ["cut", "garbage", "spoiled"])
@pytest.mark.parametrize("inner", ["csv", "npy", "parquet"])
def test_bad_compressed_data_gives_one_line_and_leaves_nothing(
    tmp_path: Path, spool: Path, name: str, wrong: str, inner: str
) -> None:
    data = COMPRESS[name](inner_file(tmp_path, inner))
    spoiled = bytearray(data)
    spoiled[CHECKSUMS[name]] ^= 1
    source = tmp_path / f"data.{inner}{CODECS[name].suffix}"
    source.write_bytes({"cut": data[:-5], "garbage": data + b"garbage", "spoiled": spoiled}[wrong])
    target = tmp_path / "out" / "old"
    target.parent.mkdir()
    target.write_bytes(b"old")

    done = run(source, "-o", target, "-s", 1, "-q")
    piped = run("-o", target, "-s", 1, "-q", given=source.read_bytes())

    assert (3, b"", 1) == (done.status, done.output, len(done.lines)), done.messages
    assert done.messages.startswith(f"noisify: {source}: ")
    assert f"its {name} data" in done.messages
    assert (3, done.messages.replace(str(source), "standard input")) == (
        piped.status,
        piped.messages,
    )
    assert target.read_bytes() == b"old"
    assert [target] == list(target.parent.iterdir())
    assert [] == list(spool.iterdir())


# Out.


def test_an_output_is_compressed_by_its_suffix(tmp_path: Path, name: str) -> None:
    target = tmp_path / f"out.csv{CODECS[name].suffix}"

    done = run("-o", target, "-s", 1, "--seed", 1, given=TABLE)

    assert (0, b"", "") == (done.status, done.output, done.messages)
    assert noisy("-s", 1, given=TABLE) == DECOMPRESS[name](target.read_bytes())
    assert [target] == list(tmp_path.iterdir())


def test_standard_output_is_never_compressed(tmp_path: Path) -> None:
    assert noisy(packed_file(tmp_path, "gzip"), "-s", 0) == TABLE


def test_an_output_without_such_a_suffix_is_not_compressed(tmp_path: Path) -> None:
    source = tmp_path / "data.csv"
    source.write_bytes(gzip.compress(TABLE))
    target = tmp_path / "out.csv"

    assert run(source, "-o", target, "-s", 0, "--seed", 1).status == 0
    assert target.read_bytes() == TABLE


LARGE = b"x\n" + b"".join(b"%d.5\n" % number for number in range(200_000))


def test_the_compressed_bytes_depend_only_on_the_data(tmp_path: Path, name: str) -> None:
    source = tmp_path / "data.csv"
    source.write_bytes(LARGE)
    suffix = CODECS[name].suffix
    written = set()
    for at, cut in enumerate([(1, "2m"), (2, "2m"), (3, "100k"), (2, "1m")]):
        target = tmp_path / f"name-{at}.csv{suffix}"
        jobs = ("--jobs", cut[0], "--chunk-size", cut[1], "--compress-level", 1)
        assert run(source, "-o", target, "-s", 0, "--seed", 1, *jobs).status == 0
        written.add(target.read_bytes())
    with source.open("rb", 0) as piped:
        target = tmp_path / f"piped.csv{suffix}"
        assert (
            run("-o", target, "-s", 0, "--seed", 1, "--compress-level", 1, given=piped).status == 0
        )
    written.add(target.read_bytes())

    assert len(written) == 1
    assert DECOMPRESS[name](written.pop()) == LARGE


@pytest.mark.parametrize(
    "sizes",
    [
        [0],
        [1],
        [1 << 20],
        pytest.param([(1 << 20) + 1], marks=pytest.mark.slow),
        pytest.param([1 << 19] * 5, marks=pytest.mark.slow),
    ],
)
def test_one_member_of_any_size_is_written(name: str, sizes: list[int]) -> None:
    out = io.BytesIO()
    file = CompressedFile(out, CODECS[name].at_level(None), 3)
    content = random.Random(1).randbytes(sum(sizes))  # noqa: S311 - bytes to compress
    place = 0
    for size in sizes:
        assert size == file.write(content[place : place + size])
        place += size
    file.finish()

    assert content == DECOMPRESS[name](out.getvalue())
    assert content == unpack(out.getvalue(), name)


@pytest.mark.usefixtures("deflate")
def test_gzip_output_is_one_member_without_time_and_name(tmp_path: Path) -> None:
    target = tmp_path / "out.csv.gz"
    assert run("-o", target, "-s", 0, "--seed", 1, given=LARGE).status == 0

    written = target.read_bytes()
    inflater = zlib.decompressobj(31)

    assert inflater.decompress(written) == LARGE
    assert (True, b"") == (inflater.eof, inflater.unused_data)
    assert written[:8] == b"\x1f\x8b\x08\0\0\0\0\0"


@pytest.mark.usefixtures("deflate")
@pytest.mark.parametrize(("level", "effort"), [(1, 4), (2, 0), (6, 0), (9, 2)])
def test_the_gzip_header_says_fastest_and_smallest(level: int, effort: int) -> None:
    out = io.BytesIO()
    file = CompressedFile(out, CODECS["gzip"].at_level(level), 1)
    file.write(SMALL)
    file.finish()

    assert effort == out.getvalue()[8]  # RFC 1952, XFL
    assert SMALL == gzip.decompress(out.getvalue())


def test_output_has_a_checksum_that_other_software_checks(tmp_path: Path, name: str) -> None:
    target = tmp_path / f"out{CODECS[name].suffix}"
    assert run("-o", target, "-s", 0, "--seed", 1, given=TABLE).status == 0
    spoiled = bytearray(target.read_bytes())
    spoiled[CHECKSUMS[name]] ^= 1

    with pytest.raises((OSError, zstandard.ZstdError, lzma.LZMAError, RuntimeError)):
        DECOMPRESS[name](bytes(spoiled))


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_pandas_reads_the_whole_output(tmp_path: Path, name: str) -> None:
    target = tmp_path / f"out.csv{CODECS[name].suffix}"
    assert run("-o", target, "-s", 0, "--seed", 1, given=LARGE).status == 0

    assert (200_000, 199_999.5) == (len(found := pd.read_csv(target)), found["x"].iloc[-1])


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_polars_and_duckdb_read_the_whole_output(tmp_path: Path, name: str) -> None:
    target = tmp_path / f"out.csv{CODECS[name].suffix}"
    assert run("-o", target, "-s", 0, "--seed", 1, given=LARGE).status == 0

    assert (200_000, 1) == pl.read_csv(target).shape
    query = f"select count(*), max(x) from read_csv('{target}')"  # noqa: S608
    assert (200_000, 199_999.5) == duckdb.sql(query).fetchall()[0]


def inner_file(folder: Path, kind: str) -> bytes:
    values = np.linspace(1, 2, 600)
    path = folder / f"inner.{kind}"
    match kind:
        case "csv":
            path.write_bytes(TABLE)
        case "npy":
            np.save(path, values)
        case "fortran.npy":
            np.save(path, np.asfortranarray(values.reshape(20, 30)))
        case "npz":
            np.savez(path, x=values)
        case "parquet":
            pq.write_table(pa.table({"x": values}), path)
        case "h5":
            with h5py.File(path, "w") as file:
                file.create_dataset("x", data=values, chunks=(100,), compression="gzip")
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.mark.one_in(2)
@pytest.mark.usefixtures("spool")
@pytest.mark.parametrize("kind", ["npy", "fortran.npy", "npz", "parquet", "h5"])
@pytest.mark.parametrize("level", ["0.5", "0.1sd"])
def test_files_of_other_formats_are_compressed_in_and_out(
    tmp_path: Path, name: str, kind: str, level: str
) -> None:
    content = inner_file(tmp_path, kind)
    plain = tmp_path / f"data.{kind}"
    plain.write_bytes(content)
    packed = packed_file(tmp_path, name, content, f"data.{kind}")
    target = tmp_path / f"out.{kind}{CODECS[name].suffix}"
    expected = noisy(plain, "-s", level, "-q")

    assert run(packed, "-o", target, "-s", level, "--seed", 1, "-q").status == 0
    assert expected == DECOMPRESS[name](target.read_bytes())
    assert expected == noisy("-s", level, "-q", given=packed.read_bytes())


def test_one_format_is_converted_to_another_inside_compressed_files(tmp_path: Path) -> None:
    source = packed_file(tmp_path, "gzip", inner_file(tmp_path, "parquet"), "data.parquet")
    target = tmp_path / "out.csv.xz"

    assert run(source, "-o", target, "-s", 0, "--seed", 1, "-q").status == 0
    assert np.linspace(1, 2, 600).tolist() == pd.read_csv(target)["x"].tolist()


# In place, and beside.


@pytest.mark.parametrize("stem", ["data.csv", "plain"])
def test_in_place_keeps_the_compression(tmp_path: Path, name: str, stem: str) -> None:
    source = tmp_path / (stem + (CODECS[name].suffix if stem != "plain" else ".csv"))
    source.write_bytes(COMPRESS[name](TABLE))

    done = run(source, "--in-place", "-s", 1, "--seed", 1)

    assert (0, b"", "") == (done.status, done.output, done.messages)
    assert noisy("-s", 1, given=TABLE) == DECOMPRESS[name](source.read_bytes())
    assert [source] == list(tmp_path.iterdir())


def test_a_compressed_mask_restores_a_compressed_file(tmp_path: Path) -> None:
    source = packed_file(tmp_path, "gzip")
    noised, mask, back = (tmp_path / name for name in ("n.csv.zst", "m.csv.xz", "back.csv.bz2"))
    keep = ("--mask", mask, "--mask-values")

    assert run(source, "-o", noised, "-s", 1, "--seed", 1, *keep).status == 0
    assert lzma.decompress(mask.read_bytes()).startswith(b"x,x.original\n")
    assert run(noised, "--restore", mask, "-o", back).status == 0
    assert bz2.decompress(back.read_bytes()) == TABLE


@pytest.mark.usefixtures("spool")
@pytest.mark.parametrize("kind", ["npy", "parquet", "h5"])
def test_a_compressed_mask_restores_a_compressed_file_of_another_format(
    tmp_path: Path, kind: str
) -> None:
    content = inner_file(tmp_path, kind)
    restored = []
    for suffix, pack, unpacked in (("", bytes, bytes), (".gz", gzip.compress, gzip.decompress)):
        source, noised, mask, back = (
            tmp_path / f"{stem}.{kind}{suffix}" for stem in ("data", "noised", "mask", "back")
        )
        source.write_bytes(pack(content))
        keep = ("--mask", mask, "--mask-values")
        assert run(source, "-o", noised, "-s", 1, "--seed", 1, "-q", *keep).status == 0
        assert run(noised, "--restore", mask, "-o", back, "-q").status == 0
        restored.append(unpacked(back.read_bytes()))

    assert restored[0] == restored[1]


def test_a_report_is_compressed_by_its_suffix(tmp_path: Path) -> None:
    report = tmp_path / "report.json.gz"

    assert run("-s", 1, "--seed", 1, "--report", report, given=TABLE).status == 0
    assert json.loads(gzip.decompress(report.read_bytes()))["seed"] == 1


def test_outputs_in_a_folder_keep_both_suffixes(tmp_path: Path) -> None:
    source = packed_file(tmp_path, "bzip2", stem="a.b.csv")
    folder = tmp_path / "out"

    assert run(
        source, "--output-dir", folder, "--name", "{stem}-{scale}{suffix}", "--sweep", "scale=1,2",
        "--seed", 1,
    ).status == 0  # fmt: skip
    assert ["a.b-1.csv.bz2", "a.b-2.csv.bz2"] == sorted(path.name for path in folder.glob("a.*"))
    assert noisy("-s", 2, given=TABLE) == bz2.decompress((folder / "a.b-2.csv.bz2").read_bytes())


def test_a_failure_keeps_the_old_compressed_output(tmp_path: Path, name: str) -> None:
    target = tmp_path / f"out.csv{CODECS[name].suffix}"
    target.write_bytes(b"old")

    done = run("-o", target, "-s", 1, "-q", given=LARGE + b"ragged,\n")

    assert (3, 1) == (done.status, len(done.lines))
    assert target.read_bytes() == b"old"
    assert [target] == list(tmp_path.iterdir())


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    full = tmp_path / "full.csv.gz"
    full.symlink_to("/dev/full")

    done = run("-o", full, "-s", 0, "-q", given=LARGE)

    assert (1, [f"noisify: {full}: cannot be written: No space left on device"]) == (
        done.status,
        done.lines,
    )


# Levels.


def test_a_codec_accepts_exactly_its_levels(name: str) -> None:
    codec = CODECS[name]
    for level in codec.levels:
        assert level == codec.at_level(level).level
    for level in {*range(-1, 24)} - {*codec.levels}:
        with pytest.raises(UsageError, match=f"^--compress-level {level} is not one of {name}: "):
            codec.at_level(level)


@pytest.mark.usefixtures("deflate")
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("gzip", 0, 1), ("gzip", 1, 9), ("xz", 0, 9), ("zstd", 1, 19), ("lz4", 0, 9)],
)
def test_a_higher_level_is_smaller(tmp_path: Path, name: str, low: int, high: int) -> None:
    sizes = []
    for level in (low, high):
        target = tmp_path / f"out-{level}.csv{CODECS[name].suffix}"
        level_option = ("--compress-level", level)
        assert run("-o", target, "-s", 0, "--seed", 1, *level_option, given=TABLE).status == 0
        assert DECOMPRESS[name](target.read_bytes()) == TABLE
        sizes.append(target.stat().st_size)

    assert sizes[0] > sizes[1]


@pytest.mark.parametrize(
    ("output", "level", "said"),
    [
        (("-o", "out.csv.gz"), 10, "give 0 (fast) to 9 (small)"),
        (("-o", "out.csv.bz2"), 0, "give 1 (fast) to 9 (small)"),
        (("-o", "out.csv.lz4"), 13, "give 0 (fast) to 12 (small)"),
        (("-o", "out.csv"), 1, "out.csv is not"),
        ((), 1, "standard output is not"),
        (("-o", "out.csv", "--mask", "mask.csv.gz"), 1, "out.csv is not"),
    ],
)
def test_an_invalid_level_is_a_usage_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    output: tuple[str, ...],
    level: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    done = run(*output, "-s", 1, "--compress-level", level, given=TABLE)

    assert (2, b"", 1) == (done.status, done.output, len(done.lines))
    assert said in done.messages
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "package"), [("zstd", "zstandard"), ("lz4", "lz4")])
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.setattr(codecs, "find_spec", lambda _: None)
    target = tmp_path / f"out{CODECS[name].suffix}"

    done = run("-o", target, "-s", 1, "-q", "--compress-level", 2, given=TABLE)

    assert (2, 1) == (done.status, len(done.lines))
    assert f"leave it out, or pip install {package}" in done.messages
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "package"), [("zstd", "zstandard"), ("lz4", "lz4.frame")])
@pytest.mark.parametrize("rows", [2, 200_000], ids=["few rows", "many rows"])
def test_zstd_and_lz4_are_read_and_written_without_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str, rows: int
) -> None:
    table = b"x,y\n" + b"1.5,2\n" * rows
    monkeypatch.setattr(codecs, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, package, None)
    target = tmp_path / f"out.csv{CODECS[name].suffix}"

    done = run("-o", target, "-s", 1, "--seed", 1, given=table)

    assert (0, "") == (done.status, done.messages)
    plain = noisy("-s", 1, given=table)
    assert plain == DECOMPRESS[name](target.read_bytes())
    assert noisy(target, "-s", 0) == plain


# What every format keeps, of compressed tables.


class CompressedCsv(FormatConformance):
    codec: ClassVar[Codec]
    dtypes = ("f8", "i8")
    splices = False

    def write(self, path, columns):
        text = pd.DataFrame(dict(columns)).to_csv(index=False)
        path.write_bytes(COMPRESS[self.codec.name](text.encode()))

    def read(self, path):
        text = DECOMPRESS[self.codec.name](path.read_bytes())
        frame = pd.read_csv(io.BytesIO(text))
        return {name: frame[name].to_numpy() for name in frame.columns}

    def equal(self, one, other):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])

    def format_name(self):
        return "csv"

    def test_a_pipe_gives_the_bytes_that_a_file_gives(self, tmp_path):
        source = self.make(tmp_path, 3000)

        piped = noisy("-c", "x", "-s", "0.1sd", "-q", given=source.read_bytes())

        assert DECOMPRESS[self.codec.name](self.run(source, "-s", "0.1sd").read_bytes()) == piped

    test_a_full_disk_is_one_line = None  # /dev/full says nothing of compression


class TestGzippedCsv(CompressedCsv):
    suffix = ".csv.gz"
    codec = codecs.GZIP


class TestBzippedCsv(CompressedCsv):
    suffix = ".csv.bz2"
    codec = codecs.BZIP2


class TestXzippedCsv(CompressedCsv):
    suffix = ".csv.xz"
    codec = codecs.XZ


class TestZstdCsv(CompressedCsv):
    suffix = ".csv.zst"
    codec = codecs.ZSTD


class TestLz4Csv(CompressedCsv):
    suffix = ".csv.lz4"
    codec = codecs.LZ4
