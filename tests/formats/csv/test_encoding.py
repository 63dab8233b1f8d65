from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, BinaryIO, cast
from unittest import mock

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_command import noisy, noisy_file, normal_noise, run

from noisify.core.errors import DataError
from noisify.files.input import Input
from noisify.formats.csv.encoding import TextInput, extends_ascii

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = 'x,note,n\n0.5,{},1\n-1.25,"a, ""b""\n|c\\",2\n1e3,{},3\n,NA,-4\n'
WORDS = {
    "utf-8": "größe ☃",
    "utf-8-sig": "größe ☃",
    "cp1252": "größe €",
    "iso8859-15": "größe €",
    "cp037": "größe",
    "cp500": "größe",
    "utf-16": "größe ☃ 𝄞",
    "utf-16-le": "größe ☃ 𝄞",
    "utf-16-be": "größe ☃ 𝄞",
    "utf-32": "größe ☃ 𝄞",
    "utf-32-be": "größe ☃ 𝄞",
    "utf-7": "größe+☃",
    "shift_jis": "表ソ能",  # their second bytes are those of a backslash
    "cp932": "予|定",
    "euc_jp": "表能",
    "iso2022_jp": "表能",
    "gbk": "乗|俓",
    "gb18030": "乗☃",
    "big5": "許功蓋",
    "hz": "中文~",
}
SINGLE_BYTE = {"iso8859-15", "cp037", "cp500"}
"""Encodings in which each byte is a character."""


def table(encoding: str) -> str:
    return PLAIN.format(WORDS[encoding], WORDS[encoding][::-1])


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize("encoding", WORDS)
def test_no_noise_gives_the_file_back_in_its_encoding(encoding: str, size: int) -> None:
    data = table(encoding).encode(encoding)
    options = ("-c", "*", "--seed", 1, "--encoding", encoding, "--chunk-size", size)

    done = run("-s", 0, *options, given=data)

    assert (0, data) == (done.status, done.output), done.messages


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize("encoding", WORDS)
def test_the_encoding_makes_no_difference_to_the_noise(encoding: str, size: int) -> None:
    options = ("-s", 1, "-c", "x,n", "--chunk-size", size)
    expected = noisy(*options, given=table(encoding).encode()).decode()

    actual = noisy(*options, "--encoding", encoding, given=table(encoding).encode(encoding))

    assert expected.encode(encoding) == actual


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_byte_order_mark_says_the_encoding(codec: str) -> None:
    text = "\ufeff" + table("utf-16")
    expected = noisy("-s", 1, "-c", "x", given=text.encode())

    actual = noisy("-s", 1, "-c", "x", given=text.encode(codec))

    assert expected.decode().encode(codec) == actual
    assert text.encode(codec) != actual


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_without_a_byte_order_mark_shows_its_byte_order(codec: str) -> None:
    data = table("utf-16").encode(codec)

    actual = noisy("-s", 0, "-c", "*", "--encoding", codec[:6], given=data)

    assert data == actual


@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_without_a_mark_is_refused_unless_it_is_named(order: str) -> None:
    done = run("-s", 1, given=table("utf-16").encode(f"utf-16-{order}"))

    assert (3, b"") == (done.status, done.output)
    assert done.lines == [
        f"noisify: standard input: looks like UTF-16 text; add --encoding utf-16-{order}"
    ]


def test_a_spreadsheets_unicode_text_is_read_and_written(tmp_path: Path) -> None:
    source = tmp_path / "sheet.txt"
    before = pd.DataFrame({"größe": [0.5, 1.5], "note": ["tab\tin", "line\nin"]})
    before.to_csv(source, sep="\t", encoding="utf-16", index=False, lineterminator="\r\n")

    after = pd.read_csv(noisy_file(source, "-s", 1), sep="\t", encoding="utf-16")

    noise = normal_noise("größe", 2)
    assert (before["größe"] + noise).tolist() == after["größe"].tolist()
    assert before["note"].tolist() == after["note"].tolist()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "shift_jis", "cp037"])
def test_a_column_and_its_texts_are_named_in_the_encoding(encoding: str) -> None:
    word = "能" if encoding == "shift_jis" else "é"
    text = f"{word},note\n0.5,{word}\n1.5,b\n"
    options = ("-s", 1, "-c", word, "--where", f"note == '{word}'", "--encoding", encoding)

    actual = noisy(*options, given=text.encode(encoding))

    expected = text.replace("0.5", repr(0.5 + normal_noise(word, 2)[0].item()))
    assert expected.encode(encoding) == actual


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp037", "utf-7"])
def test_texts_get_their_noise_in_the_encoding(encoding: str) -> None:
    options = ("-d", "typo", "--rate", 1, "-c", "note")
    text = "note,x\n" + "naïve café,1\n" * 30
    expected = noisy(*options, given=text.encode()).decode()

    actual = noisy(*options, "--encoding", encoding, given=text.encode(encoding))

    assert text != expected
    assert expected.encode(encoding) == actual


@pytest.mark.parametrize("encoding", ["latin-1", "cp037", "shift_jis"])
def test_what_the_encoding_cannot_hold_is_refused(tmp_path: Path, encoding: str) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes("x,y\n0.5,1\n".encode(encoding))
    options = ("-d", "missing", "--rate", 1, "--na", "☃", "--encoding", encoding)

    done = run(source, "-o", tmp_path / "out.csv", *options, "-q")

    assert (3, 1) == (done.status, len(done.lines))
    assert "'☃'" in done.messages
    assert [source] == list(tmp_path.iterdir())


LONE_SURROGATES = "x,y\n0.5,\ud800a\udc00\n".encode("utf-16-le", "surrogatepass")


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        pytest.param("utf-8", b"x,y\n0.5,\xff\xfe\xe9\n", id="utf-8"),
        pytest.param("latin-1", b"x,y\n0.5,\xff\xfe\x80\n", id="latin-1"),
        pytest.param("ascii", b"x,y\n0.5,\xff\xfe\x80\n", id="ascii"),
        pytest.param("shift_jis", b"x,y\n0.5,\xff\xfd\x80\n", id="shift_jis"),
        pytest.param("utf-16-le", LONE_SURROGATES, id="lone-surrogates"),
    ],
)
def test_bytes_that_mean_nothing_pass_through(encoding: str, data: bytes) -> None:
    options = ("-c", "x", "--encoding", encoding)

    assert data == noisy("-s", 0, *options, given=data)
    assert noisy("-s", 1, *options, given=data).endswith(data[data.rindex(b",") + 1 :])


@pytest.mark.parametrize("ahead", [0, 3_000_000])
def test_what_would_not_come_back_the_same_is_refused(tmp_path: Path, ahead: int) -> None:
    rows = b"0.5,a\n" * (ahead // 6)
    source = tmp_path / "in.csv"
    source.write_bytes(b"x,y\n" + rows + b"0.5,+AGE-\n")  # UTF-7 writes an a as it is

    done = run(source, "-o", tmp_path / "out.csv", "-s", 1, "--encoding", "utf-7", "-q")

    place = 4 + len(rows) + 4
    assert done.status == 3
    assert done.messages == (
        f"noisify: {source}: would not come back the same from utf-7 at byte {place:,}; "
        "convert it: iconv -f utf-7 -t utf-8 FILE | noisify\n"
    )
    assert [source] == list(tmp_path.iterdir())


def test_half_a_character_at_the_end_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    data = ("x\n" + "0.5\n" * 500_000).encode("utf-16-le")
    source.write_bytes(data + b"1")

    done = run(source, "-o", tmp_path / "out.csv", "-s", 1, "--encoding", "utf-16-le", "-q")

    assert (3, 1) == (done.status, len(done.lines))
    assert f"is not utf-16-le text at byte {len(data):,}" in done.messages
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("encoding", ["nope", "base64", "rot13", "idna", "undefined", ""])
def test_what_is_no_encoding_is_refused(encoding: str) -> None:
    done = run("-s", 1, "--encoding", encoding, given=b"x\n0.5\n")

    assert done.status == 2
    assert done.lines == [
        f"noisify: standard input: no encoding is called {encoding!r}; try utf-8 or latin-1"
    ]


def test_noise_in_utf_16_is_undone(tmp_path: Path) -> None:
    source, mask = tmp_path / "in.csv", tmp_path / "mask.csv"
    source.write_bytes(table("utf-16").encode("utf-16"))
    after = noisy_file(source, "-s", 1, "-c", "x", "--mask", mask, "--mask-values")

    done = run(after, "--restore", mask)

    assert source.read_bytes() != after.read_bytes()
    assert (0, source.read_bytes()) == (done.status, done.output)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        *(("utf-8", True), ("cp1252", True), ("koi8-r", True), ("euc_kr", True)),
        *(("utf-16-le", False), ("cp037", False), ("utf-7", False), ("hz", False)),
        *(("shift_jis", False), ("gbk", False), ("gb18030", False), ("big5", False)),
    ],
)
def test_an_encoding_extends_ascii_if_no_character_holds_an_ascii_byte(
    encoding: str, *, expected: bool
) -> None:
    assert expected is extends_ascii(codecs.lookup(encoding).name)


@given(
    data=st.binary(max_size=60),
    codec=st.sampled_from([name for name in WORDS if name not in {"utf-8", "utf-8-sig"}]),
    block=st.integers(1, 9),
)
def test_any_bytes_come_back_the_same_or_are_refused(data: bytes, codec: str, block: int) -> None:
    source = mock.create_autospec(Input, instance=True)
    source.head.side_effect = lambda count=1 << 20: data[:count]
    source.open.side_effect = lambda: io.BytesIO(data)
    source.configure_mock(name="data", suffix="")
    written = io.BytesIO()

    text = TextInput(source, codec, block)
    try:
        with text.open() as stream:
            inner = b"".join(iter(lambda: stream.read(4), b""))
    except DataError:
        assert codec not in SINGLE_BYTE
        return
    writer = text.writer(cast("BinaryIO", written))
    for line in inner.splitlines(keepends=True):
        writer.write(memoryview(line))
    writer.flush()

    assert data == written.getvalue()
