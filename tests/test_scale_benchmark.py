"""benchmarks/scale.py runs on small files, and its simulation does sums that can be checked."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def simulate(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return pytest.importorskip("simulate")


@pytest.fixture
def costs(simulate):
    return simulate.Costs(
        start_seconds=2, client_seconds=0.001, scheduler_seconds=0.0005, bytes_a_second=1e8
    )


@pytest.fixture
def calm(simulate):
    """A cluster in which all tasks take as long, 3.1 seconds."""
    return simulate.Assumed(
        task_bytes=1e8, spread=0, slow_share=0, hours_to_failure=1e12, request_seconds=0.05,
        worker_bandwidth=1e8, check_seconds=0,
    )  # fmt: skip


@pytest.mark.parametrize(("workers", "rounds"), [(1, 40), (4, 10), (8, 5), (100, 1)])
def test_equal_tasks_take_rounds_of_equal_time(simulate, costs, calm, workers, rounds):
    found = simulate.simulate(workers, 40, costs, calm)

    assert 2 + 3.1 * rounds < found.seconds < 2 + 3.1 * rounds + 0.2
    assert 0 == found.failures
    assert found.efficiency == pytest.approx(40 * 3.1 / (workers * found.seconds))


def test_a_slow_client_is_the_limit_of_many_workers(simulate, costs, calm):
    slow = replace(costs, client_seconds=0.1)

    assert simulate.simulate(1000, 2000, slow, calm).seconds >= 2 + 2000 * 0.1


def test_the_store_is_shared(simulate, costs, calm):
    narrow = replace(calm, store_bandwidth=1e8)

    found = simulate.simulate(10, 10, costs, narrow)

    assert 2 + 0.1 + 1 + 2 * 10 < found.seconds < 2 + 0.1 + 1 + 2 * 10 + 0.1


def test_failures_cost_time_and_no_task(simulate, costs, calm):
    often = replace(calm, hours_to_failure=0.01, seconds_to_notice=5, seconds_to_replace=20)

    found = simulate.simulate(10, 400, costs, often)

    assert found.failures > 5
    assert found.seconds > simulate.simulate(10, 400, costs, calm).seconds + 5


@pytest.mark.slow
def test_the_script_measures_simulates_and_leaves_nothing(tmp_path):
    for module in ("distributed", "polars", "tifffile"):
        pytest.importorskip(module, reason=f"needs {module}")
    plot = tmp_path / "scale.svg"
    options = ["--size", "2", "--runs", "1", "--dir", tmp_path, "--plot", plot]

    done = subprocess.run(
        [sys.executable, BENCHMARKS / "scale.py", *options],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    for line in (
        "a running cluster",
        "one of its own",
        "as fast as pandas",
        "does nothing",
        "simul",
    ):
        assert line in done.stdout
    assert plot.read_text(encoding="utf-8").startswith("<svg")
    assert [plot] == list(tmp_path.iterdir())
