import gc
import os
import shutil
import signal
from pathlib import Path

import pytest
from csv_text import NOT_BUILT
from example_counts import draw_all, leave_out
from page_examples import environment_for
from servers import Lake, s3_server

from noisify.core import native

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in the background of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which commands would inherit

# netCDF4 else points it to filters of its own, which h5py would take for those of hdf5plugin
os.environ.setdefault("HDF5_PLUGIN_PATH", "/usr/local/hdf5/lib/plugin")  # HDF5's default

MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes folders in it that are the user's alone
ROOM = 4 << 30
BY_THEMSELVES = {"test_native", "test_both_ways"}
BOTH_WAYS = [pytest.param("", id="compiled", marks=NOT_BUILT), pytest.param("1", id="pure")]


def pytest_configure(config: pytest.Config) -> None:
    """Draw all examples where the slow tests run too; else keep files in memory, if it has room.

    The commands sync all they write, which takes milliseconds a file on a disk.
    """
    with_slow = not config.option.markexpr
    draw_all(with_slow)
    if not with_slow and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the most of the cases of tests that have very many."""
    leave_out(items)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave the tests themselves out of garbage collection: some run it, and they are many."""
    gc.freeze()


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
    return environment_for(tmp_path)


@pytest.fixture(scope="session")
def s3_client():
    """Start an S3 server, point the environment to it, and return a client of it."""
    for name in ("s3fs", "moto", "flask"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install --group test")
    boto3, s3fs = pytest.importorskip("boto3"), pytest.importorskip("s3fs")
    with pytest.MonkeyPatch.context() as patch, s3_server() as url:
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_ACCESS_KEY_ID", "id")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-seen")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        client = boto3.client("s3")
        client.create_bucket(Bucket="lake")
        yield client
        client.close()
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def lake(s3_client):
    """Return an empty bucket."""
    bucket = Lake(s3_client)
    bucket.clear()
    return bucket
