"""The formats: one line each here, one file each beside; recognised by suffix, then first bytes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, cast

from noisify.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from noisify.formats.interface import Format
    from noisify.inputs import Input


@dataclass(frozen=True)
class Entry:
    """One format.

    Attributes:
        name: What `--from` and `--to` call it.
        module: The module in this package that has `open_source` and `open_sink`.
        title: What messages call it.
        suffixes: File name suffixes, in lower case.
        magic: The bytes such a file starts with, one or another, if it has any.
        magic_offsets: Where they may stand.
        seeks: Whether reading it needs a regular file.
        binary: Whether a terminal should be spared it.
        shape: What it holds: a table of named columns, or arrays.
    """

    name: str
    module: str
    title: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...] = ()
    magic_offsets: tuple[int, ...] = (0,)
    seeks: bool = True
    binary: bool = True
    shape: Literal["table", "arrays"] = "arrays"

    def load(self) -> Format:
        """Import the format's module."""
        return cast("Format", import_module(f"noisify.formats.{self.module}"))

    def starts(self, head: bytes) -> bool:
        """Return whether a file that starts with `head` is of this format, by its magic bytes."""
        return any(
            head.startswith(magic, offset) for magic in self.magic for offset in self.magic_offsets
        )


FORMATS = (
    Entry("csv", "delimited", "CSV", (".csv", ".txt"), seeks=False, binary=False, shape="table"),
    Entry("tsv", "delimited", "TSV", (".tsv", ".tab"), seeks=False, binary=False, shape="table"),
    Entry("parquet", "parquet", "Parquet", (".parquet", ".pq", ".parq"), (b"PAR1",), shape="table"),
    Entry(
        "arrow",
        "arrow_ipc",
        "Arrow IPC",
        (".arrow", ".feather", ".ipc", ".arrows"),
        (b"ARROW1", b"\xff\xff\xff\xff"),
        shape="table",
    ),
    Entry("npy", "npy", "NPY", (".npy",), (b"\x93NUMPY",), seeks=False),
    Entry("npz", "npz", "NPZ", (".npz",), (b"PK\x03\x04", b"PK\x05\x06")),
    Entry(
        "hdf5",
        "hdf5",
        "HDF5",
        (".h5", ".hdf5", ".hdf", ".he5", ".nc", ".h5ad"),
        (b"\x89HDF\r\n\x1a\n",),
        magic_offsets=(0, *(512 << n for n in range(5))),
    ),
    Entry("wav", "wav", "WAV", (".wav",), (b"RIFF", b"RF64"), seeks=False),
    Entry("png", "png", "PNG", (".png",), (b"\x89PNG\r\n\x1a\n",)),
    Entry("tiff", "tiff", "TIFF", (".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
_FOREIGN = (
    (b"\x1f\x8b", "is compressed with gzip", "zcat FILE | noisify > OUTPUT"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "zstdcat FILE | noisify > OUTPUT"),
    (b"\xfd7zXZ\x00", "is compressed with xz", "xzcat FILE | noisify > OUTPUT"),
    (b"BZh", "is compressed with bzip2", "bzcat FILE | noisify > OUTPUT"),
    (b"PK\x03\x04", "is a ZIP archive (an NPZ or Excel file is one too)", "unpack it first"),
    (b"PARE", "is an encrypted Parquet file", "decrypt it first"),
)
_HEAD = 8200
COMPRESSED_SUFFIXES = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"})
FOREIGN_SUFFIXES = frozenset(
    {".npz", ".feather", ".arrow", ".json", ".xlsx", ".xls", ".wav", ".png"}
)


def find(name: str) -> Entry:
    """Return the format of a name.

    Raises:
        UsageError: If there is none.
    """
    names = {entry.name: entry for entry in FORMATS}
    if name in names:
        return names[name]
    raise UsageError(
        f"no format is called {name!r}{did_you_mean(name, names)} (there are {', '.join(names)})"
    )


def of_suffix(suffix: str) -> Entry | None:
    """Return the format of a file name's suffix, or None."""
    return next((entry for entry in FORMATS if suffix.lower() in entry.suffixes), None)


def recognise(source: Input, name: str | None) -> Entry:
    """Return an input's format: the one named, else by its suffix, else by its first bytes.

    Raises:
        DataError: If it starts as another format does than it should.
    """
    head = source.head(_HEAD)
    by_magic = next((entry for entry in FORMATS if entry.starts(head)), None)
    expected = find(name) if name else of_suffix(source.suffix)
    if expected is None:
        expected = by_magic or find("csv")
    if not head:
        raise DataError("is empty", path=source.name)
    for magic, what, instead in _FOREIGN:
        if head.startswith(magic):
            raise DataError(f"{what}; {instead}", path=source.name)
    if by_magic is not None and by_magic.module != expected.module:
        raise DataError(
            f"is a {by_magic.title} file, not {expected.title}; add --from {by_magic.name}",
            path=source.name,
        )
    if expected.magic and by_magic is None:
        raise DataError(
            f"is not a {expected.title} file; say what it is with --from", path=source.name
        )
    return expected
