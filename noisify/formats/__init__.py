"""File formats: the table of all formats, with one module or folder for each.

Formats turn bytes into chunks and back. Importing this package imports none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from noisify.core import other_words
from noisify.core.errors import UsageError, did_you_mean
from noisify.core.lazy import LazyModule, import_lazily

if TYPE_CHECKING:
    from collections.abc import Iterable

    from noisify.formats import unsupported
    from noisify.formats.interface import Format
else:
    unsupported = LazyModule("noisify.formats.unsupported")


class FormatEntry(NamedTuple):
    """One format.

    Attributes:
        name: The name for `--from` and `--to`.
        module: The module in this package whose `FORMAT` is the format.
        title: The name in messages.
        suffixes: File name suffixes, in lower case.
        magic: The magic bytes of such files, if there are any; a file has one of them.
        magic_offsets: The offsets at which the magic bytes may be.
        seeks: Whether reading it needs a regular file.
        in_ranges: Whether a file with a URL is read in ranges, if it seeks; else it is downloaded.
        binary: Whether it is not to be written to a terminal.
        shape: Whether it holds a table of named columns, or arrays.
        counts_elements: Whether progress counts the bytes of elements, not those of the file.
        in_folders: Whether such a file is a folder; masks are never written as folders.
        whole: The module that reads whole files and creates new ones, for conversion and masks;
            empty if files can only be rewritten.
    """

    name: str
    module: str
    title: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...] = ()
    magic_offsets: tuple[int, ...] = (0,)
    seeks: bool = True
    in_ranges: bool = False
    binary: bool = True
    shape: Literal["table", "arrays"] = "arrays"
    counts_elements: bool = False
    in_folders: bool = False
    whole: str = ""

    @property
    def a_file(self) -> str:
        """What messages call a file of it, with the article."""
        return f"{'an' if self.title[0] in 'AHN' else 'a'} {self.title} file"

    def load(self) -> Format[Any]:
        """Import the format."""
        found: Format[Any] = import_module(f"noisify.formats.{self.module}").FORMAT
        return found

    def load_whole(self) -> Any:  # noqa: ANN401 - tables and arrays have different ones
        """Import the module that reads whole files and creates new ones."""
        return import_module(f"noisify.formats.{self.whole}")

    def starts(self, head: bytes) -> bool:
        """Return whether `head` has the magic bytes of this format."""
        return any(head.startswith(self.magic, offset) for offset in self.magic_offsets)


FORMATS = (
    FormatEntry("csv", "csv.format", "CSV", (".csv", ".txt"),
                seeks=False, binary=False, shape="table", whole="csv.table"),
    FormatEntry("tsv", "csv.format", "TSV", (".tsv", ".tab"),
                seeks=False, binary=False, shape="table", whole="csv.table"),
    FormatEntry("parquet", "parquet.format", "Parquet", (".parquet", ".pq", ".parq"), (b"PAR1",),
                in_ranges=True, shape="table", whole="parquet.table"),
    FormatEntry("arrow", "arrow.format", "Arrow IPC", (".arrow", ".feather", ".ipc", ".arrows"),
                (b"ARROW1", b"\xff\xff\xff\xff"), seeks=False, shape="table",
                counts_elements=True, whole="arrow.table"),
    FormatEntry("npy", "npy.format", "NPY", (".npy",), (b"\x93NUMPY",),
                seeks=False, whole="npy.arrays"),
    FormatEntry("npz", "npz.format", "NPZ", (".npz",), (b"PK\x03\x04", b"PK\x05\x06"),
                in_ranges=True, whole="npz.arrays"),
    FormatEntry("hdf5", "hdf5.format", "HDF5", (".h5", ".hdf5", ".hdf", ".he5", ".nc", ".h5ad"),
                (b"\x89HDF\r\n\x1a\n",), magic_offsets=(0, *(512 << n for n in range(50))),
                in_ranges=True, counts_elements=True, whole="hdf5.arrays"),
    FormatEntry("zarr", "zarr.format", "Zarr", (".zarr",),
                in_ranges=True, counts_elements=True, in_folders=True, whole="zarr.arrays"),
    FormatEntry("wav", "wav.format", "WAV", (".wav",), (b"RIFF", b"RIFX", b"RF64", b"BW64"),
                seeks=False),
    FormatEntry("png", "png", "PNG", (".png",), (b"\x89PNG\r\n\x1a\n",)),
    FormatEntry("tiff", "tiff.format", "TIFF", (".tif", ".tiff"),
                (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)  # fmt: skip
_OF_SUFFIX = {suffix: entry for entry in FORMATS for suffix in entry.suffixes}


def find(name: str) -> FormatEntry:
    """Return the format with a name.

    Raises:
        UsageError: If there is none.
    """
    names = {entry.name: entry for entry in FORMATS}
    if name in names:
        return names[name]
    raise UsageError(
        f"no format is called {name!r}{_meant(name, names)} (there are {', '.join(names)})"
    )


def _meant(name: str, names: Iterable[str]) -> str:
    """Return the end of the error for a wrong name: what to type, or why there is none."""
    word = name.strip().removeprefix(".").casefold()
    if found := other_words.FORMATS.get(word, word if word in names else None):
        return f"; type {found}"
    return unsupported.instead_of(word) or did_you_mean(name, names)


def of_suffix(suffix: str) -> FormatEntry | None:
    """Return the format of a file name suffix, or None."""
    return _OF_SUFFIX.get(suffix.lower())


import_lazily(__name__, "arrays mask mask_parts memory_frames memory_tables")
