"""The client's side of tasks on a cluster, with a stand-in for Dask's client."""

import threading
from concurrent.futures import CancelledError
from types import SimpleNamespace

import pytest

from noisify.engine import dask_batch


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
