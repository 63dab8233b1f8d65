import os

import pytest
from csv_text import NOT_BUILT
from hypothesis import settings

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
