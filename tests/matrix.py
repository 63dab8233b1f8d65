"""Compare the golden digests under other processors, C libraries, Pythons and libraries.

Without an argument: this Python, compiled and pure, with the features of the processor that NumPy
and the C library choose code by switched off. With --all: also the lowest and the highest versions
of the libraries that pyproject.toml allows, with each Python there is, in environments of their own
below build/matrix (they are downloaded); and aarch64 under qemu, where `--aarch64 FOLDER` names one
that holds a root with Python 3.11 and a folder `site` with the libraries' wheels unpacked. With
`--installed PYTHON`: also another Python, in which noisify and zarr are installed, such as one on
Alpine, whose C library is musl.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests" / "golden" / "digests.py"
KEPT = ROOT / "tests" / "golden" / "digests.json"
BUILD = ROOT / "build" / "matrix"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
C_LIBRARY = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F,-AVX2_Usable,-FMA_Usable"
FEATURES = "import numpy._core._multiarray_umath as m; print(*m.__cpu_dispatch__, sep=',')"

Cell = tuple[str, "Sequence[str]", "Mapping[str, str]"]


def here() -> Iterator[Cell]:
    """Yield this Python with parts of the processor switched off."""
    yield from of_python("", [sys.executable])
    listed = subprocess.run([sys.executable, "-c", FEATURES], check=True, capture_output=True)
    numpy = {"NPY_DISABLE_CPU_FEATURES": listed.stdout.decode().strip()}
    c_library = {"GLIBC_TUNABLES": C_LIBRARY}
    yield "NumPy's plain code", [sys.executable], numpy
    yield "C library's plain code", [sys.executable], c_library
    yield "plain code, pure", [sys.executable], {**numpy, **c_library, "NOISIFY_PURE": "1"}


def of_python(name: str, command: Sequence[str]) -> Iterator[Cell]:
    """Yield one Python, compiled and pure."""
    for pure in ("", "1"):
        kind = "pure" if pure else "compiled"
        yield ", ".join(filter(None, (name, kind))), command, {"NOISIFY_PURE": pure}


def environments() -> Iterator[Cell]:
    """Yield the lowest and the highest versions of the libraries, in environments made here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *extras["zarr"], *extras["images"]]
    wanted = [text.partition(";")[0].strip() for text in named]
    lowest = [text.replace(">=", "==") for text in wanted]
    found = [version for version in PYTHONS if python(version)]
    for version, libraries in [(found[0], lowest), *((version, wanted) for version in found)]:
        name = f"Python {version}, {'lowest' if libraries is lowest else 'highest'} libraries"
        yield from of_python(name, [made(version, name.replace(" ", "-"), libraries)])


def python(version: str) -> str | None:
    """Return the path of a Python of this version."""
    named = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    return str(named[-1]) if named else shutil.which(f"python{version}")


def made(version: str, name: str, libraries: Sequence[str]) -> str:
    """Return the Python of an environment with these libraries, which is made if need be."""
    folder = BUILD / name
    inside = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([python(version) or sys.executable, "-m", "venv", folder], check=True)
        install = [inside, "-m", "pip", "install", "-q", "--only-binary", ":all:", *libraries]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return str(inside)


def aarch64(folder: Path) -> Iterator[Cell]:
    """Yield another processor, under qemu; its compiled parts are used if they are there."""
    command = ["qemu-aarch64", "-L", str(folder), str(folder / "usr/bin/python3.11")]
    yield "aarch64", command, {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder / 'site'}"}


def installed(python: str) -> Iterator[Cell]:
    """Yield a Python with the noisify that is installed there, compiled and pure."""
    for name, command, variables in of_python(python, [python]):
        yield name, command, {"PYTHONPATH": "", **variables}


def differences(cell: Cell) -> list[str]:
    """Return the names of the digests that differ in a cell."""
    _, command, variables = cell
    base = {key: value for key, value in os.environ.items() if key != "NOISIFY_PURE"}
    environment = base | {"PYTHONPATH": str(ROOT)} | dict(variables)
    done = subprocess.run(
        [*command, str(SCRIPT)], env=environment, stdout=subprocess.PIPE, check=True, cwd=ROOT
    )
    found, kept = json.loads(done.stdout), json.loads(KEPT.read_text(encoding="utf-8"))
    return sorted(name for name in found.keys() | kept if found.get(name) != kept.get(name))


def main() -> int:
    """Run the cells and say which digests differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="with other Pythons and libraries")
    parser.add_argument("--aarch64", type=Path, help="a folder with a root for qemu-aarch64")
    parser.add_argument("--installed", help="a Python in which noisify and zarr are installed")
    given = parser.parse_args()
    cells = [*here(), *(environments() if given.all else ())]
    cells += aarch64(given.aarch64) if given.aarch64 else ()
    cells += installed(given.installed) if given.installed else ()
    wrong = 0
    for cell in cells:
        found = differences(cell)
        wrong += bool(found)
        print(f"{cell[0]}: {'differs in ' + ', '.join(found) if found else 'same'}", flush=True)
    print(f"{len(cells) - wrong} passed, {wrong} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
