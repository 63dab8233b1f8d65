"""The house is built as it was drawn: imports point one way, and the start is quick."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import noisify

PACKAGE = Path(noisify.__file__).parent
LAYERS = (
    {"core"},
    {"kernels"},
    {"files", "streams", "statistics"},
    {"formats", "noise"},
    {"plan"},
    {"engine"},
    {"comparison"},
    {"plots"},
    {"api", "cli", "models"},
    {"dask", "dataset", "sklearn"},
)
"""The folders, from the ground up: each imports those below it, none beside or above it."""


PATHS = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
"""The file of every module, by its dotted name without the package's."""


@cache
def modules():
    """Return the syntax tree of every module by its name."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}


def for_type_checkers(tree):
    """Return the ids of all nodes that only type checkers see."""
    return {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for part in node.body
        for inner in ast.walk(part)
    }


def imports(tree, *, typing=False):
    """Return what a module imports, as dotted names; with `typing`, for type checkers as well."""
    found = set()
    left_out = set() if typing else for_type_checkers(tree)
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(names):
    """Return which of these names are the package's, without its name."""
    return {name.removeprefix("noisify.") for name in names if name.startswith("noisify.")}


@cache
def imported():
    """Return the names that each module imports when it runs."""
    return {name: ours(imports(tree)) for name, tree in modules().items()}


@cache
def seen():
    """Return the modules that each module imports, for type checkers as well."""
    names = {name: ours(imports(tree, typing=True)) for name, tree in modules().items()}
    return {
        module: {name if name in PATHS else name.rpartition(".")[0] for name in found} & set(PATHS)
        for module, found in names.items()
    }


def folder(module):
    return module.split(".")[0]


def layer(module):
    (number,) = [n for n, folders in enumerate(LAYERS) if folder(module) in folders]
    return number


def reached(module):
    """Return all modules that a module imports, and those that these import."""
    found, todo = set(), [module]
    while todo:
        new = seen()[todo.pop()] - found
        found |= new
        todo += new
    return found


def cycles():
    """Return each set of modules that import each other."""
    below = {module: reached(module) for module in PATHS}
    found = [{m for m in below[one] if one in below[m]} for one in PATHS if one in below[one]]
    return [cycle for n, cycle in enumerate(found) if cycle not in found[:n]]


def importers(of, among=""):
    """Return the modules below a name that import from below another."""
    return {
        module
        for module, names in imported().items()
        if f"{module}.".startswith(among) and any(f"{name}.".startswith(of) for name in names)
    }


def test_the_map_of_imports_sees_what_there_is():
    assert "core.chunk.BLOCK" in imported()["statistics.tree"]
    assert "core.chunk" in seen()["statistics.tree"]
    assert {"cli", "noise.additive", "formats.interface"} <= set(PATHS)


def test_every_module_imports_only_its_folder_and_folders_below():
    upwards_or_sideways = {
        f"{module} imports {name}"
        for module in PATHS.keys() - {"__init__", "__main__"}
        for name in seen()[module]
        if folder(name) != folder(module) and layer(name) >= layer(module)
    }
    assert set() == upwards_or_sideways


def test_no_modules_import_each_other():
    assert [] == cycles()


def test_nothing_imports_the_command():
    assert {"__main__"} == {name for name in importers("cli.") if not f"{name}.".startswith("cli.")}


def test_no_format_imports_a_model():
    assert set() == importers("noise.", among="formats.")


@pytest.mark.parametrize("part", ["formats.", "files.", "engine."])
def test_no_model_imports_a_format_or_does_io(part):
    assert set() == importers(part, among="noise.")


@pytest.mark.parametrize("library", ["pyarrow", "pandas", "h5py", "io", "os", "pathlib", "click"])
def test_no_model_imports_a_library_that_reads_files(library):
    models = [tree for name, tree in modules().items() if name.startswith("noise.")]
    assert models
    assert not any(library == name.split(".")[0] for tree in models for name in imports(tree))


def test_only_the_command_knows_click():
    users = {
        name
        for name, tree in modules().items()
        if "click" in {i.split(".")[0] for i in imports(tree)}
    }
    assert users
    assert all(f"{name}.".startswith("cli.") for name in users)


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in PACKAGE.rglob("__init__.py")), ids=str
)
def test_every_folder_says_in_three_lines_what_is_in_it(folder):
    told = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert told
    assert len(told.splitlines()) <= 3


def test_no_module_is_called_utils():
    bins = {"utils", "util", "helpers", "common", "misc"}
    assert set() == bins & {part for name in PATHS for part in name.split(".")}


def test_no_module_keeps_to_itself_what_all_should_import():
    assert set() == {name for name in PATHS if "import *" in ast.unparse(modules()[name])}


HEAVY = ("numpy", "pandas", "pyarrow", "h5py")


@pytest.mark.parametrize("module", ["noisify", "noisify.cli", "noisify.cli.command"])
def test_importing_the_command_imports_no_heavy_library(module):
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout


def test_help_imports_no_heavy_library():
    code = (
        "import sys\n"
        "sys.argv = ['noisify', '--help']\n"
        "from noisify.cli import main\n"
        "try:\n    main()\n"
        f"finally:\n    print('heavy:', [m for m in {HEAVY} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "heavy: []" == done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("suffix", "mask"), [("csv", "parquet"), ("parquet", None), ("arrow", None)]
)
def test_noise_in_numbers_imports_no_pandas(tmp_path, suffix, mask):
    table = pa.table({"x": [1.5, None, 2.5], "inner": [{"y": [1.0]}, None, {"y": None}]})
    source = tmp_path / f"in.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, source)
    elif suffix == "arrow":
        with pa.ipc.new_file(str(source), table.schema) as writer:
            writer.write_table(table)
    else:
        source.write_text("x\n1.5\n\n2.5\n")
    code = (
        "import sys\n"
        "from noisify.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print('pandas' in sys.modules)\n"
    )
    options = ["-o", tmp_path / f"out.{suffix}", "--seed", "1", "-q"]
    options += ["--mask", tmp_path / f"mask.{mask}", "--mask-values"] if mask else []
    done = subprocess.run(
        [sys.executable, "-c", code, source, *options], capture_output=True, text=True, check=True
    )
    assert "False\n" == done.stdout


class TestPublicNames:
    def test_are_those_of_the_design(self):
        assert {"add_noise", "noisify_file", "NoisifyError"} <= set(noisify.__all__)

    @pytest.mark.parametrize("name", noisify.__all__)
    def test_can_be_used(self, name):
        assert getattr(noisify, name) is not None

    def test_there_are_no_others(self):
        code = (
            "import noisify, types\n"
            "print(sorted(n for n, v in vars(noisify).items() if not n.startswith('_')\n"
            "    and n not in noisify.__all__ and not isinstance(v, types.ModuleType)\n"
            "    and getattr(v, '__module__', 'noisify').startswith('noisify')\n"
            "    and n not in ('annotations', 'TYPE_CHECKING')))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert "[]\n" == done.stdout

    def test_an_unknown_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="no attribute 'nosiy'"):
            _ = noisify.nosiy

    def test_have_docstrings(self):
        for name in noisify.__all__:
            assert name == "__version__" or getattr(noisify, name).__doc__
