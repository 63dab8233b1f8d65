import os
import shlex
import sys

import pytest
from csv_text import NOT_BUILT
from hypothesis import settings
from run_command import clean_environment

from noisify.core import native

# netCDF4 else points it to filters of its own, which h5py would take for those of hdf5plugin
os.environ.setdefault("HDF5_PLUGIN_PATH", "/usr/local/hdf5/lib/plugin")  # HDF5's default

settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci")

BY_THEMSELVES = {"test_native", "test_both_ways"}
BOTH_WAYS = [pytest.param("", id="compiled", marks=NOT_BUILT), pytest.param("1", id="pure")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let every test of CSV run with the compiled part and without it."""
    path = metafunc.definition.path
    if path.stem == "test_promise" or (
        path.parent.name == "csv" and path.stem not in BY_THEMSELVES
    ):
        metafunc.fixturenames.append("pure_setting")
        metafunc.parametrize("pure_setting", BOTH_WAYS, indirect=True)


@pytest.fixture(scope="module")
def pure_setting(request):
    """Set NOISIFY_PURE."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.PURE, request.param)
        yield


@pytest.fixture
def environment(tmp_path):
    """An environment in which `noisify` is this checkout's command."""
    programs = tmp_path / "bin"
    programs.mkdir()
    python = f"#!/bin/sh\nexec {shlex.quote(sys.executable)}"
    compare = "-c 'from noisify.__main__ import compare; compare()'"
    for name, arguments in (("noisify", "-m noisify"), ("noisify-compare", compare)):
        command = programs / name
        command.write_text(f'{python} {arguments} "$@"\n')
        command.chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    variables = clean_environment({"PATH": path, "LC_ALL": "C", "PYTHONUTF8": "1"})
    inherited = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}  # make says more when it runs in another
    return {name: text for name, text in variables.items() if name not in inherited}
