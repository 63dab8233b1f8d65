"""Map a function over items in forked copies of this process.

Python runs one thread at a time, and processing a small file is mostly Python code. Forking is only
used where it is safe: on Linux, and while this process has no other threads.

    this process ──item──▶ copy: function(item, tell)
                 ◀──told── any number of times
                 ◀──done── once; then comes the next item
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
from collections import deque
from contextlib import ExitStack, suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from noisify.core.errors import NoisifyError
from noisify.core.lazy_libraries import connections, ctypes
from noisify.files.temporary import remove_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")

Said = tuple[bytes, bytes]
"""A message from a copy: its kind and its pickled contents."""
_TOLD, _DONE, _FAILED = b"t", b"d", b"f"
_TOLD_EVERY = 0.05
"""Seconds between messages with told values: a message costs both processes some time."""
_MORE_IN_FLIGHT = 2
_PR_SET_PDEATHSIG = 1
"""Lets the kernel send a signal when the parent process ends, even by SIGKILL."""
_HEARD_BY_ALL = ("SIGINT", "SIGHUP")
"""Signals that a terminal also sends to copies, which ignore them and wait for SIGTERM."""


def can_copy() -> bool:
    """Return whether this process can be forked safely and can wait for its copies."""
    if sys.platform != "linux" or signal.getsignal(signal.SIGCHLD) != signal.SIG_DFL:
        return False
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


def process_map(
    function: Callable[[Item, Callable[[Any], None]], Result],
    items: Sequence[Item],
    more: Iterable[Item],
    told: Callable[[Any], None],
) -> Iterator[Result]:
    """Yield the result of a function for each item, in order, computed by copies of this process.

    Args:
        function: Called in a copy with an item, and a function that sends a value to this process.
        items: The first items, one for each copy.
        more: Further items, read only as far ahead as copies are free and few results are waiting.
        told: Called in this process with each value that a copy sends.

    Raises:
        NoisifyError: If a copy is killed.
        BaseException: The first failure, in the order of the items; all copies stop and clean up.
    """
    waiting = chain(items, more)
    with ExitStack() as running:
        copies: list[_Copy] = []
        with suppress(OSError):  # at the limit of processes, use fewer copies
            for _ in items:
                copies.append(_Copy(function, copies, running))
        if not copies:
            yield from (function(item, told) for item in waiting)
        pending: deque[list[Said]] = deque()
        _hand_out(waiting, copies, pending)
        while pending:
            while not pending[0]:
                for copy in _heard(copies):
                    kind, data = copy.hear()
                    if kind == _TOLD:
                        deque(map(told, _read(kind, data)), 0)
                        continue
                    answer, copy.answer = copy.answer, None
                    _hand_out(waiting, copies, pending)  # before the result is yielded
                    cast("list[Said]", answer).append((kind, data))
            yield _read(*pending.popleft().pop())
            _hand_out(waiting, copies, pending)


def _hand_out(waiting: Iterator[Any], copies: Sequence[_Copy], pending: deque[list[Any]]) -> None:
    """Hand waiting items to free copies, unless too many results are pending."""
    for copy in copies:
        if copy.answer is None and len(pending) < len(copies) + _MORE_IN_FLIGHT:
            pending.extend(copy.begin(item) for item in islice(waiting, 1))


def _heard(copies: Sequence[_Copy]) -> Iterator[_Copy]:
    """Wait for messages, and yield the copies that have sent one."""
    ready = connections.wait([copy.connection for copy in copies if copy.answer is not None])
    return (copy for copy in copies if copy.connection in ready)


def _read(kind: bytes, data: bytes) -> Any:  # noqa: ANN401
    """Unpickle the contents of a message.

    Raises:
        BaseException: If the message is a failure.
    """
    answer = pickle.loads(data)  # noqa: S301 - a copy of this process wrote it
    if kind == _FAILED:
        raise answer
    return answer


class _Copy:
    """A copy of this process, which works on one item at a time until it is stopped.

    Args:
        function: The function to apply to items.
        others: The earlier copies, whose connections this one closes.
        running: The exit stack that stops it in the end.

    Attributes:
        connection: The connection to it.
        answer: The list for the result of its current item, or None if it is free.

    Raises:
        OSError: If no further process can be created.
    """

    def __init__(
        self,
        function: Callable[[Any, Callable[[Any], None]], Any],
        others: Sequence[_Copy],
        running: ExitStack,
    ) -> None:
        self.answer: list[Said] | None = None
        self.connection, own = connections.Pipe()
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, *_heard_by_all()})
        try:  # with signals blocked until the copy is registered to be stopped
            self._process = os.fork()
            if not self._process:
                _work(function, own, [copy.connection for copy in (*others, self)], held)
            running.callback(self.stop)
        finally:
            own.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def begin(self, item: object) -> list[Said]:
        """Send it an item; return the list for the result."""
        with suppress(OSError):  # if it has been killed, `hear` reports it
            self.connection.send(item)
        self.answer = []
        return self.answer

    def hear(self) -> Said:
        """Receive its next message.

        Raises:
            NoisifyError: If it has been killed.
        """
        try:
            said = self.connection.recv_bytes()
        except (EOFError, OSError):
            status = self._wait()
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise NoisifyError(
                f"a process of this run was ended by {how}; if memory is short, fewer --jobs "
                "need less"
            ) from None
        return said[:1], said[1:]

    def stop(self) -> None:
        """Stop it, and wait until it has cleaned up."""
        self.connection.close()
        if self._process:
            os.kill(self._process, signal.SIGTERM)
            self._wait()

    def _wait(self) -> int:
        process, self._process = self._process, 0
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _heard_by_all() -> set[signal.Signals]:
    return {getattr(signal, name) for name in _HEARD_BY_ALL}


def _work(
    function: Callable[[Any, Callable[[Any], None]], Any],
    connection: Connection,
    others: Sequence[Connection],
    mask: set[int],
) -> NoReturn:
    """Work on items in a copy until there are no more, and end it; nothing else runs there.

    Args:
        function: What to do with an item.
        connection: Where items come from.
        others: Connections that belong to the process that was copied.
        mask: The signals that are held back.
    """
    try:
        for other in others:
            other.close()
        for number in _heard_by_all():
            signal.signal(number, signal.SIG_IGN)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _serve(function, connection)
    finally:
        remove_all()
        os._exit(1)


def _serve(function: Callable[[Any, Callable[[Any], None]], Any], connection: Connection) -> None:
    """Answer items until the parent process closes the connection."""
    waiting: list[object] = []
    next_told = 0.0

    def say(kind: bytes, what: object) -> None:
        connection.send_bytes(kind + pickle.dumps(what, pickle.HIGHEST_PROTOCOL))

    def tell(what: object) -> None:
        waiting.append(what)
        if time.monotonic() >= next_told:
            tell_all()

    def tell_all() -> None:
        nonlocal next_told
        next_told = time.monotonic() + _TOLD_EVERY
        say(_TOLD, waiting)
        waiting.clear()

    with suppress(EOFError, OSError):  # the parent has closed the connection, or has ended
        while True:
            try:
                item = connection.recv()
                try:
                    done = function(item, tell)
                finally:
                    tell_all()
                say(_DONE, done)
            except EOFError:
                return
            except BaseException as error:  # noqa: BLE001 - also a signal while it waits
                say(_FAILED, _portable(error))


def _portable(error: BaseException) -> BaseException:
    """Make an error that the parent process can raise, with its traceback as a note."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - as above
    except (pickle.PickleError, TypeError, AttributeError):
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
