"""What is fuzzed: a target for each reader, and the one promise that each input keeps: `problems`.

Bytes become a file or an option of the real command, which runs in this process.
"""

from __future__ import annotations

import bz2
import gc
import gzip
import lzma
import os
import re
import sys
import tempfile
import time
import unicodedata
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fault_harness import SECONDS, Fault, Result, broken, contents, restore
from fault_scenarios import Scenario
from run_command import run

from noisify.core.native import PURE
from noisify.noise.registry import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from run_command import Done

    Check: TypeAlias = "Callable[[bytes, Place], list[str]]"

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
MEMORY = 512 << 20
"""Bytes that a run on a file of a few kilobytes may take beyond what it starts with."""
NO_FAULT = Fault("", 0)
ZERO = ("--columns", "*", "--scale", "0", "--seed", "1")
NOISE = ("--scale", "1", "--seed", "1")
TABLE = b"x,y,n,word,home town,t\n1.5,2.5,3,one,Rome,2024-01-01\n-2.5,1e3,4,two,,\n0.5,,5,,Oslo,\n"
TO_TABLE, TO_ARRAYS = (".parquet", ".csv", ".arrow"), (".npz", ".h5", ".npy")


@dataclass(frozen=True)
class Place:
    """Where runs take place.

    Attributes:
        folder: The current folder, with the files of one run at a time.
        temporary: The folder for temporary files.
    """

    folder: Path
    temporary: Path


@dataclass(frozen=True)
class Target:
    """What bytes are tried as.

    Attributes:
        name: Its name, and its corpus's.
        checks: Each returns what is wrong with what the command makes of some bytes.
        repair: Makes checksums right again, so that what lies behind them is reached.
        words: What its inputs are made of.
        longest: Bytes of an input.
    """

    name: str
    checks: Sequence[Check]
    repair: Callable[[bytes], bytes] = bytes
    words: tuple[bytes, ...] = ()
    longest: int = 4096

    def check(self, data: bytes, where: Place) -> list[str]:
        """Return what is wrong by one of the checks, always the same for the same bytes."""
        return self.checks[zlib.crc32(data) % len(self.checks)](data, where)


@contextmanager
def place() -> Iterator[Place]:
    """Make folders for runs, in memory where there are some, and go there."""
    before, temporary = Path.cwd(), tempfile.tempdir
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - random names in it
    with tempfile.TemporaryDirectory(dir=memory, prefix="noisify-fuzz-") as name:
        made = Place(Path(name, "folder"), Path(name, "temporary"))
        made.folder.mkdir()
        made.temporary.mkdir()
        os.chdir(made.folder)
        tempfile.tempdir = str(made.temporary)
        try:
            yield made
        finally:
            os.chdir(before)
            tempfile.tempdir = temporary


@dataclass
class Trial:
    """Runs of the command on the same files, and what is wrong with them.

    Attributes:
        place: Where they take place.
        files: What is there before each.
        wrong: What is wrong.
    """

    place: Place
    files: dict[str, bytes]
    wrong: list[str] = field(default_factory=list)

    def run(self, *arguments: str, pure: bool = False, lines: int = 1) -> Done:
        """Run the command once on one thread; note what is wrong.

        Args:
            arguments: Those of the command, but for `-j`.
            pure: Whether the compiled parts are left out.
            lines: How many lines may tell why it failed.
        """
        restore(self.place.folder, self.files)
        restore(self.place.temporary, {})
        os.chdir(self.place.folder)
        words = [*arguments, "--jobs", "1"]
        open_before, start = _open_files(), time.monotonic()
        _forget_peak()
        memory = _memory("VmRSS")
        variables = {"NOISIFY_TRACEBACK": "1", PURE: "1" if pure else ""}
        try:
            done = run(*words, variables=variables)
        except UnicodeEncodeError as error:  # where a message cannot be written
            self.wrong.append(f"{words}: {error}")
            raise
        seconds, memory = time.monotonic() - start, _memory("VmHWM") - memory
        self._check(words, done, seconds, memory, lines)
        if _open_files() > open_before:
            gc.collect()
            if (left := _open_files()) > open_before:
                self.wrong.append(f"{words}: {left - open_before} files are left open")
        return done

    def output(self, name: str) -> bytes | None:
        """Return what the last run wrote to a file."""
        path = self.place.folder / name
        return path.read_bytes() if path.exists() else None

    def _check(self, words: list[str], done: Done, seconds: float, memory: int, lines: int) -> None:
        told = done.lines
        if 1 < len(told) <= lines and done.status in {2, 3}:
            told = told[:1]
        result = Result(
            done.status, seconds, seconds > SECONDS, memory, done.output, "\n".join(told)
        )
        after = self.files
        if done.status == 0:
            named = set() if "--dry-run" in words else _OUTPUTS
            made = {words[i + 1] for i, word in enumerate(words) if word in named}
            found = contents(self.place.folder)
            after = after | {name: found[name] for name in made if name in found}
            if made - set(found):
                self.wrong.append(f"{words}: status 0 and no {sorted(made - set(found))}")
        wrong = broken(self.place, result, Scenario(self.files, words), after, NO_FAULT)
        if done.status == 1 and "out of memory" not in done.messages:  # a file may claim any size
            wrong = wrong or ["status 1", done.messages]
        if not all(line.startswith("noisify: ") and _harmless(line) for line in told):
            wrong = wrong or ["a line that is not noisify's", done.messages]
        if memory > MEMORY:
            wrong.append(f"took {memory >> 20} MiB")
        self.wrong += [f"{words}: {text}" for text in wrong]

    def same(self, what: str, expected: object, actual: object) -> None:
        """Note a difference."""
        if expected != actual:
            self.wrong.append(f"{what}: {str(expected)[:3000]} != {str(actual)[:3000]}")


def _harmless(line: str) -> bool:
    """Return whether a line moves no cursor and turns no direction of writing."""
    return not any(
        unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(sign) in _TURNS
        for sign in line
    )


_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_OUTPUTS = {"-o", "--output", "--mask", "--report"}


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0  # noqa: PTH208


def _forget_peak() -> None:
    if sys.platform == "linux":
        with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123 - thousands of times
            file.write("5")


def _memory(name: str) -> int:
    """Return what the system says of this process's memory, in bytes; 0 if it says nothing."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/status") as file:  # noqa: PTH123 - thousands of times
        found = re.search(rf"{name}:\s*(\d+) kB", file.read())
    return int(found[1]) << 10 if found else 0


# Files


def reader(
    suffix: str,
    *more: Sequence[str],
    to: Sequence[str] = (),
    unchanged: bool = False,
) -> tuple[Check, ...]:
    """Return the checks of a reader of files.

    Args:
        suffix: The files' suffix.
        more: Options to try, besides those that are tried with each format.
        to: Suffixes to convert to.
        unchanged: Whether a scale of 0 promises the same bytes.
    """
    name, out = f"in{suffix}", f"out{suffix}"

    def identity(data: bytes, where: Place) -> list[str]:
        trial = Trial(where, {name: data})
        first = trial.run(name, "--output", out, *ZERO)
        if first.status == 0 and unchanged:
            trial.same("a scale of 0 changes something", data, trial.output(out))
        return trial.wrong

    def twice(data: bytes, where: Place) -> list[str]:
        trial = Trial(where, {name: data})
        trial.run(name, "--output", out, *NOISE)
        _try_again(trial, out)
        return trial.wrong

    def ways(data: bytes, where: Place) -> list[str]:
        trial = Trial(where, {name: data})
        results = []
        for pure, size in ((False, "1MiB"), (True, "64")):
            words = ("--columns", "*", *NOISE, "--chunk-size", size)
            done = trial.run(name, "--output", out, *words, pure=pure)
            results.append((done.status, trial.output(out)))
        trial.same("pure Python with other chunks writes something else", *results)
        return trial.wrong

    variants = [
        *(("--output", out, *options) for options in (*_VARIANTS, *more)),
        *((*NOISE, "--output", f"out{other}") for other in to),
        ("--dry-run", *NOISE),
        (*NOISE, "--output", out, "--mask", f"mask{suffix}", "--mask-values", "--report", "r.json"),
    ]
    often = (identity, twice, ways) * (1 + len(variants) // 6)
    return (*often, *(_once(name, options) for options in variants))


def _once(name: str, options: Sequence[str]) -> Check:
    """Return the check of one run."""

    def check(data: bytes, where: Place) -> list[str]:
        trial = Trial(where, {name: data})
        trial.run(name, *options)
        return trial.wrong

    return check


_VARIANTS: tuple[Sequence[str], ...] = (
    ("--dist", "missing", "--rate", "0.5", "--columns", "*", "--seed", "1"),
    ("--scale", "0.1sd", "--seed", "1"),
    ("--scale", "0.2iqr", "--columns", ":number", "--seed", "1", "--clip=-5,5"),
    ("--dist", "outliers", "--rate", "0.5", "--columns", ":int", "--seed", "1"),
    ("--dist", "ar1", "--scale", "1", "--columns", "*", "--seed", "1", "--chunk-size", "100"),
)
_ROWS: tuple[Sequence[str], ...] = (
    ("--dist", "typo", "--rate", "0.5", "--columns", ":text", "--seed", "1"),
    ("--dist", "drop-rows", "--rate", "0.5", "--seed", "1"),
    ("--scale", "2d", "--columns", ":time", "--seed", "1"),
    ("--scale", "1", "--columns", "*", "--seed", "1", "--append", "--replicates", "2"),
)
_ARRAY_ROWS = tuple(
    ("--dist", model, "--rate", "0.5", "--seed", "1") for model in ("drop-rows", "duplicate-rows")
)


def _try_again(trial: Trial, out: str) -> None:
    """Try whether what was written can be read, and comes out of a scale of 0 the same."""
    made = trial.output(out)
    if made is None:
        return
    again = Trial(trial.place, {out: made})
    done = again.run(out, "--output", f"2{out}", "--scale", "0", "--seed", "1")
    again.same("its own output cannot be read", 0, done.status)
    trial.wrong += again.wrong
    if done.status != 0:
        trial.wrong.append(done.messages)


def text_reader(suffix: str) -> tuple[Check, ...]:
    """Return the checks of a reader of CSV."""
    return reader(
        suffix,
        *_ROWS,
        (*NOISE, "--no-header"),
        (*NOISE, "--decimal", ",", "--thousands", "."),
        (*NOISE, "--ragged", "keep", "--decimals", "keep"),
        (*NOISE, "--escape", "\\", "--comment", "#"),
        (*NOISE, "--encoding", "utf-16"),
        (*NOISE, "--encoding", "cp1252"),
        (*NOISE, "--skip-lines", "2"),
        to=(".parquet", ".arrow", ".npz", ".h5"),
        unchanged=True,
    )


# Options


def _typed(data: bytes) -> str:
    """Return bytes as a shell would hand them to a program."""
    return data.replace(b"\0", b" ").decode("utf-8", "surrogateescape")


def option(*before: str) -> tuple[Check, ...]:
    """Return the checks of an option of which the bytes are the value."""
    *rest, last = before

    def words(data: bytes) -> list[str]:
        return ["in.csv", "--output", "out.csv", "--seed", "1", *rest, f"{last}{_typed(data)}"]

    def planned(data: bytes, where: Place) -> list[str]:
        trial = Trial(where, {"in.csv": TABLE})
        statuses = [trial.run(*words(data), *way).status for way in ((), ("--dry-run",))]
        trial.same("a dry run ends otherwise", *statuses)
        return trial.wrong

    def cut(data: bytes, where: Place) -> list[str]:
        trial = Trial(where, {"in.csv": TABLE})
        made = []
        for size in ("1MiB", "10"):
            done = trial.run(*words(data), "--chunk-size", size)
            made.append((done.status, trial.output("out.csv")))
        trial.same("other chunks, other output", *made)
        return trial.wrong

    return planned, cut


def recipe(suffix: str) -> tuple[Check, ...]:
    """Return the checks of recipes."""

    def check(data: bytes, where: Place) -> list[str]:
        trial = Trial(where, {"in.csv": TABLE, f"r{suffix}": data})
        trial.run("in.csv", "--output", "out.csv", "--recipe", f"r{suffix}", lines=1000)
        return trial.wrong

    return (check,)


def check_sweep(data: bytes, where: Place) -> list[str]:
    """Check what the command makes of a sweep."""
    trial = Trial(where, {"in.csv": TABLE})
    words = ("--output-dir", "out", "--seed", "1", "--dry-run", f"--sweep={_typed(data)}")
    trial.run("in.csv", *words)
    return trial.wrong


_MASKS = {b"\x93NUMPY": ".npy", b"PK": ".npz", b"PAR1": ".parquet", b"\x89HDF": ".h5"}


def check_mask(data: bytes, where: Place) -> list[str]:
    """Check what the command makes of a mask, by its first bytes one of a format."""
    suffix = next((_MASKS[magic] for magic in _MASKS if data.startswith(magic)), ".csv")
    noisy = (HERE / "noisy" / f"noisy{suffix}").read_bytes()
    trial = Trial(where, {f"noisy{suffix}": noisy, f"mask{suffix}": data})
    trial.run(f"noisy{suffix}", "--restore", f"mask{suffix}", "--output", f"out{suffix}")
    return trial.wrong


# Repairs of checksums


def repair_png(data: bytes) -> bytes:
    """Give each chunk of a PNG file its checksum."""
    made, at = bytearray(data), 8
    while at + 12 <= len(made):
        size = int.from_bytes(made[at : at + 4])
        end = at + 8 + size
        if end + 4 > len(made):
            break
        made[end : end + 4] = zlib.crc32(made[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(made)


def repair_zip(data: bytes) -> bytes:
    """Give each member of a ZIP file its checksum, where its bytes are found."""
    made = bytearray(data)
    for found in re.finditer(rb"PK\x01\x02", data):
        entry = found.start()
        method = int.from_bytes(data[entry + 10 : entry + 12], "little")
        size, local = (
            int.from_bytes(data[entry + at : entry + at + 4], "little") for at in (20, 42)
        )
        names = (int.from_bytes(data[local + at : local + at + 2], "little") for at in (26, 28))
        start = local + 30 + sum(names)
        held = data[start : start + size]
        if method == _DEFLATED:
            try:
                held = zlib.decompressobj(-15).decompress(held, 1 << 20)
            except zlib.error:
                continue
        checksum = zlib.crc32(held).to_bytes(4, "little")
        for at in (entry + 16, local + 14):
            if at + 4 <= len(made):
                made[at : at + 4] = checksum
    return bytes(made)


def repair_gzip(data: bytes) -> bytes:
    """Give a gzip file of one member its checksum and its size."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    body = zlib.decompressobj(-15)
    try:
        held = body.decompress(data[10:], 1 << 20)
    except zlib.error:
        return data
    if not body.eof:
        return data
    end = len(data) - len(body.unused_data)
    trailer = zlib.crc32(held).to_bytes(4, "little") + len(held).to_bytes(4, "little")
    return data[:end] + trailer + data[end + 8 :]


_DEFLATED = 8


# The targets


def decompressed(data: bytes) -> bytes:
    """Return what compressed data hold, by another library; other data as they are."""
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"BZh") and data[4:].startswith((b"1AY&SY", b"\x17rE8P\x90")):
        return bz2.decompress(data)
    if data.startswith(b"\xfd7zXZ\x00"):
        return lzma.decompress(data)
    return data


def check_compressed(data: bytes, where: Place) -> list[str]:
    """Check what the command makes of compressed data, against another library."""
    trial = Trial(where, {"in.csv": data})
    done = trial.run("in.csv", "--output", "out.csv", *ZERO)
    if done.status == 0 and data[:2] in {b"\x1f\x8b", b"BZ", b"\xfd7"}:
        try:
            held = decompressed(data)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            trial.wrong.append(f"another library does not read it: {error!r}")
        else:
            trial.same("another library reads something else", held, trial.output("out.csv"))
    return trial.wrong


CODECS = (".gz", ".bz2", ".xz", ".zst", ".lz4")
_MODELS = tuple(model.name.encode() for model in MODELS)
_COLUMNS = (b"x", b"y", b"n", b"word", b"home town", b"t", b"*", b":float", b":int", b":text")
_NUMBERS = (b"0.5", b"5%", b"0.1sd", b"1%range", b"0.2iqr", b"@y", b"1e-3", b"90s", b"2d", b"nan")
_OPTIONS = (
    *((*NOISE, f"--{name}=") for name in (
        "na", "delimiter", "encoding", "clip", "decimal", "thousands", "comment", "escape",
        "decimals", "skip-lines", "loc", "chunk-size", "exclude",
    )),
    ("--dist", "missing", "--rate="), ("--dist", "student-t", "--df="), ("--snr=",), ("--sd=",),
    ("--dist", "ar1", "--param="), ("--scale", "1", "--preset="), ("--dist=",), ("--rng=",),
)  # fmt: skip
TARGETS = (
    Target("csv", text_reader(".csv"), words=(b"NaN", b"\r\n", b'""', b"1e308", b"sep=,")),
    Target("tsv", text_reader(".tsv"), words=(b"\t", b"\xff\xfe", b"\xef\xbb\xbf", b"inf")),
    Target("parquet", reader(".parquet", *_ROWS, to=(*TO_TABLE, ".npz")), words=(b"PAR1",)),
    Target("arrow", reader(".arrow", *_ROWS, to=(*TO_TABLE, ".h5")), words=(b"ARROW1",)),
    Target(
        "npy",
        reader(".npy", *_ARRAY_ROWS, to=TO_ARRAYS, unchanged=True),
        words=(b"'descr'", b"'<f8'"),
    ),
    Target(
        "npz",
        reader(".npz", *_ARRAY_ROWS, to=TO_ARRAYS),
        repair_zip,
        words=(b"PK\x01\x02", b"PK\x05\x06"),
    ),
    Target("hdf5", reader(".h5", to=TO_ARRAYS), words=(b"OHDR", b"TREE", b"SNOD"), longest=16384),
    Target(
        "wav",
        reader(".wav", *_ARRAY_ROWS, to=(".npy",), unchanged=True),
        words=(b"fmt ", b"data", b"LIST"),
    ),
    Target(
        "png",
        reader(".png", *_ARRAY_ROWS, to=(".npy",)),
        repair_png,
        words=(b"IDAT", b"IEND", b"PLTE"),
    ),
    Target(
        "tiff",
        reader(".tif", *_ARRAY_ROWS, to=(".npy",), unchanged=True),
        words=(b"II*\0", b"MM\0*"),
    ),
    Target(
        "compressed",
        (
            check_compressed,
            *(_once("in.csv", ("--output", f"out.csv{codec}", *NOISE)) for codec in CODECS),
        ),
        repair_gzip,
        words=(b"\x1f\x8b\x08", b"BZh9"),
    ),
    Target("mask", (check_mask,), words=(b"true", b"false", b".original", b"x", b"y", b"n")),
    Target(
        "recipe",
        recipe(".toml"),
        words=(
            *_MODELS,
            *_COLUMNS,
            *_NUMBERS,
            b"[[noise]]",
            b"fields",
            b"model",
            b"scale",
            b"seed",
        ),
    ),
    Target(
        "where",
        option("--scale", "1", "--columns", "x", "--where="),
        words=(*_COLUMNS, b" and ", b" or ", b"not ", b" in (", b" is null", b"<=", b"==", b"`"),
        longest=1024,
    ),
    Target(
        "selector",
        option("--scale", "1", "--columns="),
        words=(*_COLUMNS, b"!", b"/", b","),
        longest=1024,
    ),
    Target(
        "spec",
        option("--noise="),
        words=(*_MODELS, *_COLUMNS, *_NUMBERS, b"=", b":", b",rate=", b",where="),
        longest=1024,
    ),
    Target("report", recipe(".json"), words=(*_MODELS, *_COLUMNS, *_NUMBERS, b'"noise"', b'"x"')),
    Target(
        "value",
        tuple(check for words in _OPTIONS for check in option("--columns", "*", *words)),
        words=(b",", b"0x", b"1e", b"utf-16", b"MiB", b"keep", b"=", b"inf", b"nan", b"\\t"),
        longest=64,
    ),
    Target(
        "sweep", (check_sweep,), words=(b"scale=", b"rate=", b"model=", b":", b","), longest=256
    ),
    Target("level", option("--columns", "*", "--scale="), words=_NUMBERS, longest=256),
)
