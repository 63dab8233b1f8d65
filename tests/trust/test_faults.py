"""Calls of the C library that fail, disks that are full, signals, damaged inputs: one promise.

Old output or new one, each whole; one line; the right status; nothing left behind. The usual tests
try a share of the cases, `make trust` all of them.
"""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from fault_harness import CALLS, EVERYTHING, HERE, Fault, Server, broken
from fault_scenarios import FAULTS_IN_CI, Scenario, conversions, scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="preloads a library, and forks"),
    pytest.mark.slow,  # two minutes in all; `make test-all` and CI run them
]
SCENARIOS = scenarios()
CONVERSIONS = conversions()
FAULTY = [name for name in SCENARIOS if EVERYTHING or name in FAULTS_IN_CI]
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
MOST_CALLS = 400 if EVERYTHING else 60
MOST_CUTS = 2000 if EVERYTHING else 12
MOST_SIZES = 200 if EVERYTHING else 6
MORE_MEMORY = [n << 18 for n in (*range(0, 40, 1 if EVERYTHING else 16), 60, 120)]
"""Bytes of address space that a case may take besides."""
DAMAGED = [name for name in SCENARIOS if " " not in name or name.startswith("hdf5 ")]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server whose calls can be told to fail."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("faults")
    shim = folder / "shim.so"
    words = [COMPILER, "-shared", "-fPIC", "-O1", "-o", shim, HERE / "fault_shim.c", "-ldl"]
    subprocess.run(words, check=True)
    with Server(folder, shim) as started:
        yield started


@pytest.fixture(scope="session")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server without faults of its own."""
    with Server(tmp_path_factory.mktemp("plain")) as started:
        yield started


def faults(call: str, count: int) -> Iterator[Fault]:
    """Yield for every call that a run makes: it fails, it and all later ones do, a signal."""
    for nth in range(1, min(count, MOST_CALLS) + 1):
        yield Fault(call, nth, 1, errno.EIO)
        yield Fault(call, nth, 0, errno.ENOSPC if "write" in call else errno.EIO)
        yield Fault(call, nth, 1, signal=signal.SIGTERM)


@pytest.mark.parametrize("name", FAULTY)
def test_a_call_that_fails_or_a_signal_leaves_the_old_or_the_new(server: Server, name: str) -> None:
    scenario = SCENARIOS[name]
    after, counts = server.whole(scenario)
    found = []
    for call in CALLS:
        for fault in faults(call, counts[call]):
            result = server.run(scenario, fault)
            if wrong := broken(server, result, scenario, after, fault):
                found.append((fault, wrong))
    assert [] == found


@pytest.mark.parametrize("name", FAULTY)
def test_a_signal_between_two_steps_leaves_the_old_or_the_new(
    plain_server: Server, name: str
) -> None:
    scenario = SCENARIOS[name]
    after, _ = plain_server.whole(scenario)
    never = Fault("python", 10**9, signal=signal.SIGTERM)
    places = plain_server.run(scenario, never).counts["python"]
    found = []
    for nth in range(1, places, max(1, places // MOST_CALLS)):
        fault = Fault("python", nth, signal=signal.SIGTERM)
        result = plain_server.run(scenario, fault)
        if wrong := broken(plain_server, result, scenario, after, fault):
            found.append((fault, wrong))
    assert [] == found


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_disk_that_is_full_leaves_the_old_ones(plain_server: Server, name: str) -> None:
    scenario = SCENARIOS[name]
    after, _ = plain_server.whole(scenario)
    most = max(len(data) for data in after.values())
    step = max(1, most // MOST_SIZES)
    found = []
    for size in range(600, most, step):
        result = plain_server.run(scenario, limits={"RLIMIT_FSIZE": size})
        if wrong := broken(plain_server, result, scenario, after, Fault("write", 1)):
            found.append((size, wrong))
    assert [] == found


def _with_little_memory(server: Server, scenario: Scenario, jobs: str) -> list[object]:
    """Return what a run does wrong that may take only so much more address space."""
    after, _ = server.whole(scenario)
    taken = server.address_space
    if "-j" not in scenario.arguments:
        scenario = Scenario(scenario.files, [*scenario.arguments, "-j", jobs])
    found: list[object] = []
    for more in MORE_MEMORY:
        result = server.run(scenario, limits={"RLIMIT_AS": taken + more})
        wrong = broken(server, result, scenario, after, Fault("", 1))
        if wrong or result.status not in {0, 1}:
            found.append((more, result.status, wrong or result.messages))
    return found


@pytest.mark.parametrize("name", SCENARIOS if EVERYTHING else [*FAULTS_IN_CI, "arrow", "hdf5"])
def test_too_little_memory_leaves_the_old_or_the_new(plain_server: Server, name: str) -> None:
    assert [] == _with_little_memory(plain_server, SCENARIOS[name], "4")


@pytest.mark.parametrize("jobs", ["1", "4"] if EVERYTHING else ["1"])
@pytest.mark.parametrize("name", CONVERSIONS)
def test_too_little_memory_to_convert_leaves_nothing(
    plain_server: Server, name: str, jobs: str
) -> None:
    assert [] == _with_little_memory(plain_server, CONVERSIONS[name], jobs)


def damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a file cut off at places all over it, and with one bit flipped at as many."""
    step = max(1, len(data) // MOST_CUTS)
    for place in range(0, len(data), step):
        yield f"cut off at {place}", data[:place]
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        yield f"flipped at {place}", bytes(flipped)


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_input_is_an_error_in_one_line_or_data(plain_server: Server, name: str) -> None:
    scenario = SCENARIOS[name]
    source = scenario.arguments[0]
    found = []
    for what, data in damages(scenario.files[source]):
        damaged = Scenario(scenario.files | {source: data}, scenario.arguments)
        result = plain_server.run(damaged)
        if wrong := broken(plain_server, result, damaged, None, Fault("", 1)):
            found.append((what, wrong))
    assert [] == found
