"""Text models on HDF5's strings of variable length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from run_command import run

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [f"the word number {at}" for at in range(300)]
WORDS[7], WORDS[8], WORDS[9] = (
    "",
    "stra\N{LATIN SMALL LETTER SHARP S}e and more",
    "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 9,
)
ASCII = [word.encode("ascii", "replace").decode() for word in WORDS]
TYPO = ("-d", "typo", "--rate", "50%", "--seed", 1, "-q")

LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": (40,)},
    "packed": {"chunks": (40,), "compression": "gzip", "shuffle": True},
    "extendible": {"chunks": (64,), "maxshape": (None,)},
}


def write(path: Path, texts: list[str] = WORDS, encoding: str = "utf-8", **layout: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("word", data=texts, dtype=h5py.string_dtype(encoding), **layout)
        file["word"].attrs["unit"] = "none"
        file["x"] = np.arange(5.0)


def read(path: Path, name: str = "word") -> list[str]:
    with h5py.File(path) as file:
        return np.asarray(file[name].asstr()[()], object).reshape(-1).tolist()


def noisy_of(source: Path, *arguments: object) -> Path:
    target = source.with_name(f"out-{source.name}")
    done = run(source, "-o", target, "-c", "word", *arguments)
    assert (0, "") == (done.status, done.messages)
    return target


def in_a_table(folder: Path, texts: list[str]) -> list[str]:
    """Return texts with the noise that they get in a CSV."""
    table = folder / "table.csv"
    table.write_text("word\n" + "".join(f'"{text}"\n' for text in texts), encoding="utf-8")
    lines = noisy_of(table, *TYPO).read_text(encoding="utf-8").splitlines()
    return [line[1:-1].replace('""', '"') for line in lines[1:]]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_texts_get_the_noise_of_a_table(tmp_path, layout, encoding):
    texts = WORDS if encoding == "utf-8" else ASCII
    write(tmp_path / "in.h5", texts, encoding, **LAYOUTS[layout])

    after = read(noisy_of(tmp_path / "in.h5", *TYPO))

    assert in_a_table(tmp_path, texts) == after
    assert 100 < sum(old != new for old, new in zip(texts, after, strict=True)) < 200


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_else_stays(tmp_path, layout):
    source = tmp_path / "in.h5"
    write(source, **LAYOUTS[layout])

    target = noisy_of(source, *TYPO)

    with h5py.File(source) as old, h5py.File(target) as new:
        assert list(old) == list(new)
        assert dict(old["word"].attrs) == dict(new["word"].attrs)
        assert old["word"].id.get_type() == new["word"].id.get_type()
        assert old["word"].chunks == new["word"].chunks
        assert old["word"].compression == new["word"].compression
        assert old["x"][()].tobytes() == new["x"][()].tobytes()


def test_texts_that_do_not_change_keep_their_bytes(tmp_path):
    """Their references to the heap stay, and so a null reference does, which reads as empty."""
    source = tmp_path / "in.h5"
    with h5py.File(source, "w") as file:
        made = file.create_dataset("word", (300,), h5py.string_dtype())
        for at in range(0, 300, 2):
            made[at] = WORDS[at]
        offset = made.id.get_offset()

    target = noisy_of(source, *TYPO)

    before, after = (path.read_bytes()[offset : offset + 16 * 300] for path in (source, target))
    old, new = read(source), read(target)
    kept = [at for at in range(300) if old[at] == new[at]]
    assert 0 < len(kept) < 300
    for at in kept:
        assert before[16 * at : 16 * at + 16] == after[16 * at : 16 * at + 16]
    assert b"\0" * 16 == after[16:32]


@pytest.mark.parametrize("size", ["1k", "4k"])
@pytest.mark.parametrize("shape", [(), (1,), (20, 15), (0, 3)])
def test_shapes_and_pieces(tmp_path, shape, size):
    texts = np.array(WORDS[: int(np.prod(shape))], object).reshape(shape)
    layout = {"chunks": (7, 4)} if shape == (20, 15) else {}
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("word", data=texts, dtype=h5py.string_dtype(), **layout)

    whole = noisy_of(tmp_path / "in.h5", *TYPO).read_bytes()
    cut = noisy_of(tmp_path / "in.h5", *TYPO, "--chunk-size", size, "-j", 3)

    assert whole == cut.read_bytes()
    assert in_a_table(tmp_path, texts.reshape(-1).tolist()) == read(cut)


def test_conditions_on_texts(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("word", data=WORDS, dtype=h5py.string_dtype())
        file["x"] = np.arange(300.0)

    target = noisy_of(tmp_path / "in.h5", *TYPO, "--where", "x < 50")
    assert WORDS[50:] == read(target)[50:]
    assert WORDS[:50] != read(target)[:50]

    run(tmp_path / "in.h5", "-o", tmp_path / "x.h5", "-c", "x", "-s", 1, "--seed", 1, "-q",
        "--where", "word == 'the word number 3'")  # fmt: skip
    with h5py.File(tmp_path / "x.h5") as file:
        assert [3] == np.flatnonzero(file["x"][()] != np.arange(300)).tolist()


def test_texts_are_no_default_field(tmp_path):
    write(tmp_path / "in.h5")

    run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", "-s", 1, "--seed", 1, "-q")

    assert WORDS == read(tmp_path / "out.h5")


def test_labels_swap(tmp_path):
    write(tmp_path / "in.h5", ["red", "green", "blue"] * 100)

    after = read(noisy_of(tmp_path / "in.h5", "-d", "category-swap", "--rate", "50%", "--seed", 1))

    assert {"red", "green", "blue"} == set(after)
    assert after != ["red", "green", "blue"] * 100


def test_a_mask_marks_them_and_holds_no_values(tmp_path):
    source = tmp_path / "in.h5"
    write(source)
    target = noisy_of(source, *TYPO, "--mask", tmp_path / "m.npy")

    marks = np.load(tmp_path / "m.npy")
    assert [a != b for a, b in zip(WORDS, read(target), strict=True)] == marks.tolist()

    done = run(source, "-o", tmp_path / "no.h5", "-c", "word", *TYPO, "--mask", tmp_path / "v.h5",
               "--mask-values")  # fmt: skip
    assert (2, 1) == (done.status, len(done.lines))
    assert "leave out --mask-values" in done.messages
    assert not (tmp_path / "no.h5").exists()


def test_texts_cannot_be_missing(tmp_path):
    write(tmp_path / "in.h5")

    done = run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", "-c", "word", "-d", "missing")

    assert (2, 1) == (done.status, len(done.lines))
    assert not (tmp_path / "out.h5").exists()
