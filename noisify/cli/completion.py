"""Complete models, presets, formats, parameters and fields in the shell.

It imports neither NumPy nor a format's library, and offers nothing where it cannot read a file.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from noisify import formats
from noisify.formats.parquet import thrift
from noisify.noise import registry
from noisify.plan import presets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROGRAMS = ("noisify", "noisify-compare")
_HEAD = 1 << 16
_MAGIC = b"PAR1"
_SCHEMA, _NAME, _CHILDREN = 2, 4, 5
"""Fields of `FileMetaData` and `SchemaElement` in parquet.thrift."""


def scripts(shell: str) -> str:
    """Return the script that makes a shell complete the commands.

    Args:
        shell: bash, zsh or fish.
    """
    kind: Any = get_completion_class(shell)
    sources = [kind(click.Command(name), {}, name, variable(name)) for name in PROGRAMS]
    return "\n".join(source.source_template % source.source_vars() for source in sources)


def variable(program: str) -> str:
    """Return the environment variable with which a shell's script asks for completions."""
    return f"_{program.replace('-', '_')}_COMPLETE".upper()


def answer(command: click.Command, program: str) -> None:
    """Answer a shell that asks what could be typed next."""
    name = variable(program)
    shell_complete(command, {}, program, name, os.environ[name])


def candidates(option: str, context: click.Context, typed: str) -> list[CompletionItem]:
    """Return what an option's value may be, given what has been typed of it.

    Args:
        option: The option's name in the code.
        context: What has been typed before.
        typed: The start of the value.
    """
    head, offered = "", _words(option, context)
    if option in {"columns", "exclude", "key", "only"}:
        head, comma, typed = typed.rpartition(",")
        head, offered = head + comma, fields(context)
    elif option == "noise":
        field, equals, model = typed.partition("=")
        head, offered = (field + "=", _models()) if equals else ("", _with_equals(fields(context)))
        typed = model if equals else typed
    return [CompletionItem(head + word) for word in offered if word.startswith(typed)]


def _words(option: str, context: click.Context) -> Iterable[str]:
    if option in {"model", "explain"}:
        return _models()
    if option == "presets":
        return [preset.name for preset in presets.PRESETS]
    if option in {"from_format", "to_format"}:
        return [entry.name for entry in formats.FORMATS]
    if option in {"parameters", "sweeps"}:
        model = registry.find(context.params.get("model") or "normal").class_name
        own = _with_equals(registry.stub_parameters()[model])
        swept = ["model=", "scale=", "sd=", "snr=", "rate="] if option == "sweeps" else []
        return list(dict.fromkeys([*swept, *own]))
    return ()


def _models() -> list[str]:
    return [entry.name for entry in registry.MODELS]


def _with_equals(words: Iterable[str]) -> list[str]:
    return [f"{word}=" for word in words]


def fields(context: click.Context) -> list[str]:
    """Return the fields of the last file named, or no fields if it cannot be read quickly."""
    named: Sequence[str] = [
        *(context.params.get("inputs") or ()),
        *(context.params.get(name) or "" for name in ("clean", "noisy")),
        *context.args,  # click leaves inputs here while an option lacks its value
    ]
    paths = [Path(name) for name in named if name and Path(name).is_file()]
    if not paths:
        return []
    with contextlib.suppress(OSError, ValueError, IndexError, KeyError, zipfile.BadZipFile):
        return field_names(paths[-1])
    return []


def field_names(path: Path) -> list[str]:
    """Return the names of a file's fields, from its head or its end.

    Args:
        path: A CSV, Parquet, NPZ or HDF5 file; other files give no names.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is broken.
    """
    match formats.of_suffix(path.suffix):
        case formats.FormatEntry(name="csv" | "tsv"):
            return _csv_names(path)
        case formats.FormatEntry(name="parquet"):
            return _parquet_names(path)
        case formats.FormatEntry(name="npz"):
            with zipfile.ZipFile(path) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
        case formats.FormatEntry(name="hdf5"):
            return _hdf5_names(path)
        case _:
            return []


def _csv_names(path: Path) -> list[str]:
    with path.open("rb") as file:
        text = file.read(_HEAD).decode("utf-8-sig", "replace")
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    return next(csv.reader(io.StringIO(text), delimiter=delimiter), [])


def _parquet_names(path: Path) -> list[str]:
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        size, magic = file.read(4), file.read()
        if magic != _MAGIC:
            raise ValueError(path)
        length = int.from_bytes(size, "little")
        file.seek(-8 - length, os.SEEK_END)
        footer, _ = thrift.read(file.read(length))
    schema: list[thrift.Record] = footer[_SCHEMA].values
    names: list[str] = []
    at = 1
    while at < len(schema):  # the columns of the table, not what is inside them
        names.append(schema[at][_NAME].decode())
        at = _after(schema, at)
    return names


def _after(schema: Sequence[thrift.Record], at: int) -> int:
    """Return the place after a schema element and all that is inside it."""
    left = 1
    while left:
        left += int(schema[at].get(_CHILDREN) or 0) - 1
        at += 1
    return at


def _hdf5_names(path: Path) -> list[str]:
    import h5py  # noqa: PLC0415 - the only library here, for files that need it

    names: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda name, one: names.append(name) if hasattr(one, "dtype") else None)
    return names
