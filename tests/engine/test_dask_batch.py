"""The client's side of tasks on a cluster, with a stand-in for Dask's client."""

import threading
from concurrent.futures import CancelledError
from types import SimpleNamespace

import pytest

from noisify.engine import dask_batch, dask_cluster


class LostResult:
    """A future that was done, and whose worker died before its result was fetched."""

    def __init__(self):
        self.waiting, self.cancelled = threading.Event(), threading.Event()
        self.cancel = self.cancelled.set
        self.release = lambda: None

    def add_done_callback(self, function):
        function(self)

    def done(self):
        return True

    def exception(self):
        self.waiting.set()
        if not self.cancelled.wait(timeout=20):
            pytest.fail("nobody cancelled it")
        raise CancelledError


def test_a_stopped_run_does_not_wait_for_a_result_that_was_lost():
    future = LostResult()
    client = SimpleNamespace(submit=lambda *_, **__: future)
    cluster = SimpleNamespace(client=client, slots=lambda: 1)
    caught = []

    with dask_batch._Leaders(cluster, None, 1, None) as leaders:

        def lead():
            try:
                list(leaders.map(print, ["item"]))
            except dask_batch.SchedulerLostError as error:
                caught.append(error)

        leaders._threads.submit(lead)
        assert future.waiting.wait(timeout=20)

    assert 1 == len(caught)


def watched(monkeypatch, there, seconds=5):
    """Look each second whether workers are there, as `there` tells; return the seconds of notes."""
    now, told = [0.0], []
    monkeypatch.setattr(dask_cluster.time, "monotonic", lambda: now[0])
    cluster = SimpleNamespace(has_workers=lambda: there[int(now[0])])
    watch = dask_cluster.WorkerWatch(cluster, lambda text: told.append((now[0], text)), seconds)
    for second in range(len(there)):
        now[0] = float(second)
        watch.look()
    return told


def test_the_user_is_told_once_that_all_workers_are_gone(monkeypatch):
    ((second, text),) = watched(monkeypatch, [True] * 7 + [False] * 93)
    assert 15 == second
    assert "all workers of the cluster are gone" in text


def test_workers_that_come_back_at_once_are_no_news(monkeypatch):
    assert [] == watched(monkeypatch, [True] * 7 + [False] * 6 + [True] * 7)


def test_a_scheduler_that_does_not_answer_is_no_news():
    class Lost(dask_cluster.DaskCluster):
        def __init__(self):
            self.client = SimpleNamespace(nthreads=self.fail)

        def fail(self):
            raise OSError("Timed out trying to connect")

    assert Lost().has_workers()
