from __future__ import annotations

import itertools
import struct
import wave
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
import soundfile
from conformance import FormatConformance
from npy_files import noisy_as_npy
from run_command import noisy, noisy_file, normal_noise, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance import Columns

SUBTYPES = {"f8": "DOUBLE", "f4": "FLOAT", "i4": "PCM_32", "i2": "PCM_16"}
PCM_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def chunk(kind: bytes, body: bytes, size: int | None = None, order: str = "<") -> bytes:
    """Return a RIFF chunk, padded, with a size of its own or another."""
    size = len(body) if size is None else size
    return kind + struct.pack(f"{order}I", size) + body + b"\0" * (len(body) % 2)


def format_chunk(code: int, bits: int, channels: int = 1, *, width: int | None = None) -> bytes:
    frame = channels * (bits // 8 if width is None else width)
    return chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, 8000, 8000 * frame, frame, bits))


def riff(*chunks: bytes, form: bytes = b"WAVE", size: int | None = None) -> bytes:
    body = form + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


MONO16 = format_chunk(1, 16)
SAMPLES16 = np.arange(-500, 500, dtype="<i2")


def samples16(data: bytes, count: int = 1000) -> np.ndarray:
    """Return the samples of the one data chunk in a file of MONO16."""
    start = data.index(b"data") + 8
    return np.frombuffer(data[start : start + 2 * count], "<i2")


class TestWav(FormatConformance):
    suffix = ".wav"
    names = ("data",)
    dtypes: ClassVar = ("f8", "f4", "i4", "i2", "u1")

    def write(self, path: Path, columns: Columns) -> None:
        values = columns["data"]
        if values.dtype == np.uint8:
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 1, 8000, 0, "NONE", ""))
                file.writeframes(values.tobytes())
            return
        soundfile.write(path, values, 8000, SUBTYPES[values.dtype.str[1:]])

    def read(self, path: Path) -> Columns:
        subtype = soundfile.info(path).subtype
        if subtype == "PCM_U8":
            with wave.open(str(path)) as file:
                return {"data": np.frombuffer(file.readframes(file.getnframes()), "u1")}
        (dtype,) = [kind for kind, name in SUBTYPES.items() if name == subtype]
        names = {"f8": "float64", "f4": "float32", "i4": "int32", "i2": "int16"}
        return {"data": soundfile.read(path, dtype=names[dtype])[0]}

    def specimens(self, folder: Path) -> Iterator[Path]:
        for subtype, channels in itertools.product(
            [*SUBTYPES.values(), "PCM_24", "PCM_U8"], [1, 3]
        ):
            path = folder / f"{subtype}-{channels}.wav"
            frames = np.arange(99 * channels).reshape(99, channels) / 1000
            soundfile.write(path, frames, 8000, subtype)
            told = chunk(b"LIST", b"INFOISFT\5\0\0\0tests\0") + chunk(b"odd ", b"abc")
            data = path.read_bytes() + told
            path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
            yield path

    def neighbours(self, path: Path) -> dict[str, bytes]:
        """Return all chunks but the samples, in their order, by a walk of their sizes."""
        data, at, found = path.read_bytes(), 12, {"form": b""}
        while at < len(data):
            name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
            if name != b"data":
                found[f"{len(found)} {name!r}"] = data[at : at + 8 + size]
            at += 8 + size + size % 2
        assert len(found) > 3
        return found | {"form": data[:12]}


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize(
    ("subtype", "dtype"),
    [("PCM_16", "int16"), ("PCM_32", "int32"), ("FLOAT", "float32"), ("DOUBLE", "float64")],
)
def test_frames_get_the_noise_of_their_array_noisy_as_npy(tmp_path, subtype, dtype, endian):
    source = tmp_path / "in.wav"
    frames = np.arange(6000).reshape(3000, 2) - 3000
    frames = frames.astype(dtype) if "int" in dtype else (frames / 4000).astype(dtype)
    soundfile.write(source, frames, 44100, subtype, endian=endian)

    found = soundfile.read(noisy_file(source, "--snr", 20), dtype=dtype)[0]

    np.testing.assert_array_equal(noisy_as_npy(frames, "--snr", 20, "-q"), found)


def test_bytes_are_numbers_from_0_to_255_and_not_around_silence(tmp_path):
    source = tmp_path / "in.wav"
    values = np.arange(256, dtype="u1").repeat(20)
    with wave.open(str(source), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(values.tobytes())

    target = noisy_file(source, "--snr", 20)

    with wave.open(str(target)) as file:
        found = np.frombuffer(file.readframes(file.getnframes()), "u1")
    np.testing.assert_array_equal(noisy_as_npy(values, "--snr", 20, "-q"), found)


class TestThreeByteSamples:
    """24-bit samples, which no NumPy dtype holds."""

    LOW, HIGH = -(1 << 23), (1 << 23) - 1

    def write(self, path, values, endian="LITTLE"):
        soundfile.write(path, values.astype(np.int32) << 8, 8000, "PCM_24", endian=endian)

    def read(self, path):
        return soundfile.read(path, dtype="int32")[0] >> 8

    @pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
    def test_get_noise_in_steps_of_their_own(self, tmp_path, endian):
        source = tmp_path / "in.wav"
        values = np.linspace(self.LOW + 99, self.HIGH - 99, 3001).astype(np.int64)
        self.write(source, values, endian)

        found = self.read(noisy_file(source, "-s", 3))

        expected = values + np.rint(3 * normal_noise("data", 3001)).astype(np.int64)
        np.testing.assert_array_equal(expected, found)

    def test_are_kept_when_there_is_no_noise(self, tmp_path):
        source = tmp_path / "in.wav"
        self.write(source, np.linspace(self.LOW, self.HIGH, 3001).astype(np.int64))

        assert source.read_bytes() == noisy_file(source, "-s", 0).read_bytes()

    def test_saturate_at_24_bits(self, tmp_path):
        source = tmp_path / "in.wav"
        values = np.repeat([self.LOW, self.HIGH], 500)
        self.write(source, values)

        found = self.read(noisy_file(source, "-s", 1000))

        noise = np.rint(1000 * normal_noise("data", 1000)).astype(np.int64)
        np.testing.assert_array_equal(np.clip(values + noise, self.LOW, self.HIGH), found)

    def test_have_24_bits_to_flip(self, tmp_path):
        source = tmp_path / "in.wav"
        self.write(source, np.zeros(2000, np.int64))

        found = self.read(noisy_file(source, "-d", "swap-bits", "--rate", 1, "-p", "lowest=23"))

        assert {self.LOW} == set(found.tolist())

    def test_go_to_their_own_ends_as_salt_and_pepper(self, tmp_path):
        source = tmp_path / "in.wav"
        self.write(source, np.zeros(2000, np.int64))

        found = self.read(noisy_file(source, "-d", "salt-and-pepper", "--rate", 1))

        assert {self.LOW, self.HIGH} == set(found.tolist())

    def test_cannot_become_what_24_bits_do_not_hold(self, tmp_path):
        source = tmp_path / "in.wav"
        self.write(source, np.zeros(20, np.int64))

        arguments = ("-d", "category-swap", "--rate", 1, "-p", "a=0", "-p", "b=9000000")
        done = run(source, "-o", tmp_path / "o.wav", *arguments, "--seed", 1)

        assert (2, 1) == (done.status, len(done.lines)), done.messages
        assert "24 bits" in done.messages


class TestChunks:
    def test_around_the_samples_are_kept_to_the_byte(self):
        before = chunk(b"LIST", b"INFOISFT\x03\0\0\0abc\0") + chunk(b"odd ", b"12345")
        after = chunk(b"id3 ", b"1234567") + chunk(b"LIST", b"adtl") + b"junk"
        data = riff(before, MONO16, chunk(b"data", SAMPLES16.tobytes()), after)

        found = noisy("-s", 20, given=data)

        start = data.index(b"data") + 8
        assert (data[:start], data[start + 2000 :]) == (found[:start], found[start + 2000 :])
        np.testing.assert_array_equal(noisy_as_npy(SAMPLES16, "-s", 20), samples16(found))

    def test_keep_the_padding_after_an_odd_number_of_bytes(self):
        body = bytes(range(100, 201))
        data = riff(format_chunk(1, 8), chunk(b"data", body), chunk(b"LIST", b"abcd"))

        found = noisy("-s", 2, given=data)

        start = data.index(b"data") + 8
        assert data[start + 101 :] == found[start + 101 :]
        assert b"\0LIST" == found[start + 101 : start + 106]
        assert data[start : start + 101] != found[start : start + 101]

    def test_longer_than_what_is_looked_at_of_a_pipe_may_come_first(self):
        long = chunk(b"bext", bytes(3 << 20))
        data = riff(long, MONO16, chunk(b"data", SAMPLES16.tobytes()))

        found = noisy("-s", 20, given=data)

        np.testing.assert_array_equal(noisy_as_npy(SAMPLES16, "-s", 20), samples16(found))
        assert data[: -len(SAMPLES16) * 2] == found[: -len(SAMPLES16) * 2]

    def test_after_the_samples_may_be_longer_than_what_is_kept_in_memory(self):
        after = chunk(b"junk", bytes(range(256)) * 10_000)
        data = riff(MONO16, chunk(b"data", SAMPLES16.tobytes()), after)

        assert after == noisy("-s", 20, given=data)[-len(after) :]


class TestSizes:
    @pytest.mark.parametrize(
        ("whole", "size"),
        [(0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (36, 0), (0x7FFFF024, 0x7FFFF000), (36, 0x80000000)],
    )
    def test_that_a_pipe_could_not_fill_in_mean_all_that_comes(self, tmp_path, whole, size):
        data = riff(MONO16, chunk(b"data", SAMPLES16.tobytes(), size), size=whole)
        source = tmp_path / "in.wav"
        source.write_bytes(data)

        found = noisy("-s", 20, given=data)

        assert found == noisy_file(source, "-s", 20).read_bytes()
        assert data[:44] == found[:44]
        np.testing.assert_array_equal(noisy_as_npy(SAMPLES16, "-s", 20), samples16(found))

    def test_of_no_samples_with_chunks_after_them_mean_no_samples(self):
        data = riff(MONO16, chunk(b"data", b""), chunk(b"LIST", b"0123456789"))

        done = run("-s", 20, "--seed", 1, given=data)

        assert data == done.output
        assert "no rows" in done.messages

    def test_that_end_inside_a_sample_leave_its_bytes_alone(self):
        body = SAMPLES16.tobytes() + b"\x07"
        for data in (
            riff(MONO16, chunk(b"data", body)),
            riff(MONO16, b"data\xff\xff\xff\xff" + body, size=0xFFFFFFFF),
        ):
            found = noisy("-s", 20, "--chunk-size", 7, given=data)

            assert data[44 + 2000 :] == found[44 + 2000 :]
            np.testing.assert_array_equal(noisy_as_npy(SAMPLES16, "-s", 20), samples16(found))

    @pytest.mark.parametrize("piped", [True, False])
    def test_that_are_more_than_what_is_there_are_an_error(self, tmp_path, piped):
        data = riff(MONO16, chunk(b"data", SAMPLES16.tobytes()))[:-100]
        source = tmp_path / "in.wav"
        source.write_bytes(data)

        done = run("-" if piped else source, "-s", 1, "--seed", 1, given=data)

        assert (3, 1) == (done.status, len(done.lines))
        assert "promises 2000 bytes of samples and there are 1900" in done.messages

    @pytest.mark.parametrize("name", [b"RF64", b"BW64"])
    def test_in_64_bits_are_read(self, name):
        sizes = chunk(b"ds64", struct.pack("<QQQI", 2072, 2000, 1000, 0))
        after = chunk(b"LIST", b"abcd")
        data = riff(sizes, MONO16, chunk(b"data", SAMPLES16.tobytes(), 0xFFFFFFFF), after)
        data = name + b"\xff\xff\xff\xff" + data[8:]

        found = noisy("-s", 20, given=data)

        assert after == found[-len(after) :]
        np.testing.assert_array_equal(noisy_as_npy(SAMPLES16, "-s", 20), samples16(found))


class TestExtensible:
    def write(self, valid, code=1, bits=16):
        text = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 16000, bits // 8, bits, 22, valid, 0)
        guid = struct.pack("<H", code) + PCM_GUID_TAIL
        return riff(chunk(b"fmt ", text + guid), chunk(b"data", SAMPLES16.tobytes()))

    def test_is_read_as_what_it_extends(self):
        found = noisy("-s", 20, given=self.write(16))

        np.testing.assert_array_equal(noisy_as_npy(SAMPLES16, "-s", 20), samples16(found))

    def test_says_that_fewer_bits_are_valid(self):
        done = run("-s", 20, "--seed", 1, given=self.write(12))

        assert done.status == 0
        assert "samples of 12 bits in 16" in done.messages

    def test_of_another_code_is_refused(self):
        done = run("-s", 20, "--seed", 1, given=self.write(8, code=7, bits=8))

        assert (3, 1) == (done.status, len(done.lines))
        assert "mu-law" in done.messages


class TestIsRefusedInOneLine:
    def refused(self, data: bytes) -> str:
        done = run("-s", 1, "--seed", 1, "--from", "wav", given=data)
        assert (3, 1, b"") == (done.status, len(done.lines), done.output)
        return done.messages

    @pytest.mark.parametrize(
        ("subtype", "name"),
        [("ALAW", "A-law"), ("ULAW", "mu-law"), ("IMA_ADPCM", "IMA ADPCM"), ("MS_ADPCM", "ADPCM")],
    )
    def test_with_compressed_samples(self, tmp_path, subtype, name):
        soundfile.write(tmp_path / "in.wav", np.zeros(999), 8000, subtype)

        message = self.refused((tmp_path / "in.wav").read_bytes())

        assert f"has {name} samples" in message
        assert "pcm_s16le" in message

    def test_when_it_is_another_riff_file(self):
        assert "of the kind AVI" in self.refused(riff(MONO16, form=b"AVI "))

    def test_without_a_format(self):
        assert "no fmt chunk" in self.refused(riff(chunk(b"data", b"1234")))

    def test_without_samples(self):
        assert "no data chunk" in self.refused(riff(MONO16))

    def test_with_24_bits_in_4_bytes(self):
        odd = format_chunk(1, 24, width=4)
        assert "24 bits" in self.refused(riff(odd, chunk(b"data", bytes(400))))

    def test_without_channels(self):
        none = format_chunk(1, 16, 0)
        assert "not known" in self.refused(riff(none, chunk(b"data", bytes(400))))

    @pytest.mark.parametrize("wish", [("--mask", "mask.wav"), ("--append",)])
    def test_with_a_wish_that_is_not_for_samples(self, tmp_path, wish):
        source = tmp_path / "in.wav"
        source.write_bytes(riff(MONO16, chunk(b"data", SAMPLES16.tobytes())))
        wish = [tmp_path / part if "." in part else part for part in wish]

        done = run(source, "-o", tmp_path / "o.wav", "-s", 1, "--seed", 1, *wish)

        assert (2, 1) == (done.status, len(done.lines))
        assert "WAV" in done.messages
        assert [source] == list(tmp_path.iterdir())


def test_where_chooses_samples_by_their_values(tmp_path):
    source = tmp_path / "in.wav"
    soundfile.write(source, SAMPLES16.astype(np.int16), 8000, "PCM_16")

    found = soundfile.read(noisy_file(source, "-s", 50, "--where", "data > 0"), dtype="int16")[0]

    changed = found != SAMPLES16
    assert not changed[SAMPLES16 <= 0].any()
    assert changed[SAMPLES16 > 0].mean() > 0.9
