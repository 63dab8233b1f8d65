"""A mask with values names its run: the mask of another run is refused, and its own never is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run
from small_files import ARRAYS, TABLES, read_arrow

from noisify.formats.mask_run import BLANK, KEY, LENGTH, ChangedSum, MaskRun

if TYPE_CHECKING:
    from pathlib import Path

NOISE = ("-s", "20%", "-c", ":number")


def noised(source: Path, mask: Path, seed: int, *noise: object) -> Path:
    """Add noise to a file, with a mask; return the noisy file."""
    noisy = source.with_name(f"noisy{seed}-{source.name}")
    arguments = ("--mask", mask, "--mask-values", "--seed", seed, "-q", *noise)
    done = run(source, "-o", noisy, *arguments)
    assert (0, "") == (done.status, done.messages)
    return noisy


def restored(noisy: Path, mask: Path, *arguments: object) -> Any:
    return run(noisy, "--restore", mask, "-o", noisy.with_name(f"back-{noisy.name}"), *arguments)


def refuses_the_other_run(source: Path, suffix: str, *noise: object) -> None:
    """Check that each of two runs' masks restores its own noisy file only."""
    masks = [source.with_name(f"{source.name}-mask{seed}.{suffix}") for seed in (1, 2)]
    noisy = [noised(source, mask, seed, *noise) for seed, mask in enumerate(masks, 1)]
    for one, mask in zip(noisy, masks, strict=True):
        done = restored(one, mask, "-q", "--chunk-size", "1k")
        assert (0, "") == (done.status, done.messages)
        if one.is_file():
            one.with_name(f"back-{one.name}").unlink()
    before = sorted(source.parent.iterdir())
    done = run(noisy[0], "--restore", masks[1], "-o", source.with_name(f"wrong-{source.name}"))
    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert f"has other values than the run of the mask {masks[1]} wrote" in done.messages
    assert before == sorted(source.parent.iterdir())


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("name", ["in.parquet", "folder", "in.arrow", "in.arrows"])
def test_a_typed_table_takes_its_own_mask_only(tmp_path, name, suffix):
    TABLES[name][0](tmp_path / name)
    # as many cells change in either run, so that it is the values that tell the runs apart
    refuses_the_other_run(tmp_path / name, suffix, "--noise", "x,small=normal:3")


CELLS = "x,y,text\n" + "".join(f'{at}.5,{at},"the ""{at}"", or two"\n' for at in range(300))


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.csv", ("-c", "x", "-s", 1)),
        ("a.tsv", ("-c", "x", "-s", 1, "--decimals", 9)),
        ("a.csv", ("-c", "text", "-d", "typo", "--rate", "100%")),
    ],
)
def test_a_text_table_takes_its_own_mask_only(tmp_path, name, options, suffix):
    (tmp_path / name).write_text(CELLS.replace(",", "\t") if name.endswith("tsv") else CELLS)

    refuses_the_other_run(tmp_path / name, suffix, *options)


@pytest.mark.parametrize("suffix", ["npz", "h5"])
@pytest.mark.parametrize(
    "name", ["c.npy", "fortran.npy", "in.npz", "in.h5", "stereo.wav", "two.tif"]
)
def test_a_file_of_arrays_takes_its_own_mask_only(tmp_path, name, suffix):
    ARRAYS[name][0](tmp_path / name)

    refuses_the_other_run(tmp_path / name, suffix, "-c", ":number", "-s", "1000")


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("size", ["1k", "7k", "1m"])
@pytest.mark.parametrize("name", ["folder", "in.h5", "a.csv"])
def test_the_mask_does_not_depend_on_pieces_or_workers(tmp_path, name, size, jobs):
    source = tmp_path / name
    (TABLES | ARRAYS).get(name, (lambda path: path.write_text(CELLS),))[0](source)
    mask, other = (tmp_path / f"{word}.{'h5' if name == 'in.h5' else 'arrow'}" for word in "ab")

    noised(source, mask, 1, *NOISE)
    run(source, "-o", tmp_path / "again", "--mask", other, "--mask-values", "--seed", 1, "-q",
        *NOISE, "--chunk-size", size, "-j", jobs)  # fmt: skip

    names = [run_text(path) for path in (mask, other)]
    assert names[0] == names[1] != BLANK
    assert MaskRun.parse(names[0]).text == names[0]


def run_text(mask: Path) -> str:
    """Return the text of a mask's run, as other software finds it."""
    if mask.suffix == ".h5":
        with h5py.File(mask) as file:
            return file.attrs[KEY].decode()
    batches = pa.ipc.open_file(mask)
    last = batches.get_batch_with_custom_metadata(batches.num_record_batches - 1)
    assert last.batch.num_rows == 0
    return last.custom_metadata[KEY.encode()].decode()


def test_standard_output_gets_nothing_of_a_wrong_mask(tmp_path):
    source = tmp_path / "a.csv"
    source.write_text(CELLS)
    masks = [tmp_path / f"{seed}.parquet" for seed in (1, 2)]
    noisy = [noised(source, mask, seed, *NOISE) for seed, mask in enumerate(masks, 1)]

    right = run("--restore", masks[0], given=noisy[0].read_bytes())
    wrong = run("--restore", masks[1], given=noisy[0].read_bytes())

    assert (0, CELLS.encode()) == (right.status, right.output)
    assert (3, b"", 1) == (wrong.status, wrong.output, len(wrong.lines))


def test_what_was_changed_by_hand_is_noticed(tmp_path):
    source, mask = tmp_path / "a.npy", tmp_path / "m.npz"
    np.save(source, np.arange(100.0))
    noisy = noised(source, mask, 1, "-s", 1)
    values = np.load(noisy)
    values[7] += 1
    np.save(noisy, values)

    done = restored(noisy, mask)

    assert (3, 1) == (done.status, len(done.lines))
    assert "has other values" in done.messages


def test_an_edited_mask_is_used_as_it_is(tmp_path):
    """Some fields and some marks can be left out; there is nothing to compare then."""
    source, mask = tmp_path / "in.parquet", tmp_path / "m.parquet"
    TABLES["in.parquet"][0](source)
    noisy = noised(source, mask, 1, "-c", "x,small", "-s", 1)
    some, fewer = tmp_path / "some.parquet", tmp_path / "fewer.parquet"
    table = pq.read_table(mask)
    table = table.replace_schema_metadata(pq.read_metadata(mask).metadata)
    pq.write_table(table.select(["x", "x.original"]), some)
    marks = pa.array([at > 9 for at in range(len(table))])
    pq.write_table(table.set_column(0, table.schema.field(0), marks), fewer)
    assert KEY.encode() in pq.read_metadata(fewer).metadata

    assert 0 == restored(noisy, some).status
    assert 0 == restored(noisy, fewer).status


def test_a_noisy_file_in_another_format_is_restored(tmp_path):
    source, mask = tmp_path / "in.parquet", tmp_path / "m.arrow"
    TABLES["in.parquet"][0](source)
    noisy = noised(source, mask, 1, "-c", "x,small", "-s", 1)
    other = tmp_path / "noisy.arrow"
    with pa.ipc.new_file(other, pq.read_schema(noisy)) as writer:
        writer.write_table(pq.read_table(noisy))

    assert 0 == restored(other, mask).status

    back = read_arrow(tmp_path / "back-noisy.arrow")
    assert pq.read_table(source).to_pydict() == back.to_pydict()


@pytest.mark.parametrize("noise", [("-s", 1), ("-d", "missing", "--rate", "50%")])
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_an_input_converted_in_the_run_has_a_mask_of_the_output(tmp_path, suffix, noise):
    source, noisy, mask = tmp_path / "a.csv", tmp_path / f"noisy.{suffix}", tmp_path / "m.parquet"
    source.write_text(CELLS)
    options = ("--mask", mask, "--mask-values", "--seed", 1, "-q", "-c", ":number", *noise)
    assert 0 == run(source, "-o", noisy, *options).status

    done = restored(noisy, mask, "-q")

    assert (0, "") == (done.status, done.messages)


def test_values_count_as_the_file_holds_them(tmp_path):
    """Floats of 16 bits, packed numbers, 12 bits, bytes and cut texts read back as other values."""
    source = tmp_path / "odd.h5"
    with h5py.File(source, "w") as file:
        file["half"] = np.linspace(0, 9, 200).astype(np.float16)
        file["big"] = np.arange(200, dtype=">i4")
        packed = file.create_dataset("packed", data=np.arange(200, dtype=np.int16))
        packed.attrs["scale_factor"], packed.attrs["_FillValue"] = 0.1, np.int16(7)
        file["text"] = np.array([b"some words"] * 200, "S10")
        twelve = h5py.h5t.STD_U16LE.copy()
        twelve.set_precision(12)
        space = h5py.h5s.create_simple((200,))
        made = h5py.h5d.create(file.id, b"twelve", twelve, space)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(200, dtype=np.uint16) * 20)
        file["complex"] = np.arange(200) * (1 + 2j)
    noisy = noised(source, tmp_path / "m.h5", 1, "--noise", ":number=normal:3",
                   "--noise", "text=typo:90%", "--noise", "packed,half=missing:30%")  # fmt: skip
    done = restored(noisy, tmp_path / "m.h5", "-q", "--chunk-size", "1k")

    assert (0, "") == (done.status, done.messages)
    with h5py.File(source) as old, h5py.File(tmp_path / f"back-{noisy.name}") as new:
        for name in old:
            assert old[name][()].tobytes() == new[name][()].tobytes(), name


def test_values_that_a_filter_rounds(tmp_path):
    source = tmp_path / "rounded.h5"
    with h5py.File(source, "w") as file:
        file.create_dataset("x", data=np.linspace(0, 9, 200), chunks=(50,), scaleoffset=2)

    noisy = noised(source, tmp_path / "m.h5", 1, "-s", 1)

    done = restored(noisy, tmp_path / "m.h5", "-q")

    assert (0, "") == (done.status, done.messages)


def test_other_software_reads_the_masks(tmp_path):
    source = tmp_path / "in.parquet"
    TABLES["in.parquet"][0](source)
    masks = [tmp_path / "m.parquet", tmp_path / "m.arrow"]
    for mask in masks:
        noised(source, mask, 1, "-c", "x", "-s", 1)

    frames = [pl.read_parquet(masks[0]), pl.read_ipc(masks[1])]

    assert frames[0].equals(frames[1])
    assert [300, 300] == [len(frame) for frame in frames]


def test_a_mask_of_arrays_holds_nothing_else(tmp_path):
    source = tmp_path / "a.npy"
    np.save(source, np.arange(100.0))
    noised(source, tmp_path / "m.npz", 1, "-s", 1)
    noised(source, tmp_path / "m.h5", 1, "-s", 1)

    with np.load(tmp_path / "m.npz") as arrays:
        assert ["data"] == list(arrays)
        pairs = arrays["data"]
    with h5py.File(tmp_path / "m.h5") as file:
        assert ["data"] == list(file)
        assert pairs.tobytes() == file["data"][()].tobytes()


class TestText:
    def test_is_of_one_length(self):
        texts = {
            len(MaskRun(name, n, n, n).text) for name in ("csv", "npy") for n in (0, 2**64 - 1)
        }
        assert {LENGTH} == texts

    @pytest.mark.parametrize(
        "text", ["", BLANK, "x" * LENGTH, BLANK[:-1] + "é", MaskRun("csv", 1, 2, 3).text + "0"]
    )
    def test_that_is_none_names_no_run(self, text):
        assert MaskRun.parse(text) is None


def test_sums_do_not_depend_on_order():
    parts = [ChangedSum(1, 2**63 + 5), ChangedSum(2, 2**63 + 7), ChangedSum(3, 11)]
    sums = []
    for order in (parts, parts[::-1]):
        total = ChangedSum()
        for part in order:
            total += part
        sums.append(total)
    assert sums == [ChangedSum(6, 23)] * 2
