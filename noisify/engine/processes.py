"""Copies of this process, for work in which threads would wait for each other.

Python runs one thread at a time, and a small file is mostly Python's work. This process is copied
only where that is safe: on Linux, and while it has no other thread, which the copy would lack.

    this process ──item──▶ copy: function(item, tell)
                 ◀──told── any number of times
                 ◀──done── once; then comes the next item
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
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
"""What a copy says: the kind, and what it is about, pickled."""
_TOLD, _DONE, _FAILED = b"t", b"d", b"f"
_MORE_IN_FLIGHT = 2
_PR_SET_PDEATHSIG = 1
_HEARD_BY_ALL = ("SIGINT", "SIGHUP")
"""Signals that a terminal sends to copies too; they wait to be told by SIGTERM."""


def can_copy() -> bool:
    """Return whether this process can be copied safely, and hears how its copies end."""
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
    """Yield what a function returns for each item, in order, worked on by copies of this process.

    Args:
        function: What to do; given an item, and what tells this process something.
        items: The first items, one for each copy.
        more: Those that follow; read only as far ahead as copies are free, and a few results wait.
        told: Called here with what a copy tells.

    Raises:
        NoisifyError: If a copy is killed.
        BaseException: The first failure, in the order of the items; all copies stop and clean up.
    """
    waiting = chain(items, more)
    with ExitStack() as running:
        copies: list[_Copy] = []
        with suppress(OSError):  # there may be no more processes; then there are fewer copies
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
                        told(_read(kind, data))
                        continue
                    answer, copy.answer = copy.answer, None
                    _hand_out(waiting, copies, pending)  # it need not wait until that is read
                    cast("list[Said]", answer).append((kind, data))
            yield _read(*pending.popleft().pop())
            _hand_out(waiting, copies, pending)


def _hand_out(waiting: Iterator[Any], copies: Sequence[_Copy], pending: deque[list[Any]]) -> None:
    """Let copies that are free begin with what is waiting, unless too many results are pending."""
    for copy in copies:
        if copy.answer is None and len(pending) < len(copies) + _MORE_IN_FLIGHT:
            pending.extend(copy.begin(item) for item in islice(waiting, 1))


def _heard(copies: Sequence[_Copy]) -> Iterator[_Copy]:
    """Yield the copies that have something to say, once one has."""
    ready = connections.wait([copy.connection for copy in copies if copy.answer is not None])
    return (copy for copy in copies if copy.connection in ready)


def _read(kind: bytes, data: bytes) -> Any:  # noqa: ANN401
    """Return what was pickled.

    Raises:
        BaseException: What went wrong instead.
    """
    answer = pickle.loads(data)  # noqa: S301 - a copy of this process wrote it
    if kind == _FAILED:
        raise answer
    return answer


class _Copy:
    """A copy of this process, which works on one item at a time until it is stopped.

    Args:
        function: What it does with an item.
        others: The copies made before, whose connections it does not keep.
        running: Stops it in the end.

    Attributes:
        connection: The way to it.
        answer: Takes the result of the item that it works on; None: it has none.

    Raises:
        OSError: If there is no room for a process more.
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
        try:  # a signal would find a copy that nobody stops
            self._process = os.fork()
            if not self._process:
                _work(function, own, [copy.connection for copy in (*others, self)], held)
            running.callback(self.stop)
        finally:
            own.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def begin(self, item: object) -> list[Said]:
        """Hand it an item; return what takes the result."""
        with suppress(OSError):  # it has been killed, as is found when it is heard
            self.connection.send(item)
        self.answer = []
        return self.answer

    def hear(self) -> Said:
        """Return what it says.

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
        _end_with_parent()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _serve(function, connection)
    finally:
        remove_all()
        os._exit(1)


def _end_with_parent() -> None:
    """Let SIGTERM come when the process that was copied ends, though it be by SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _serve(function: Callable[[Any, Callable[[Any], None]], Any], connection: Connection) -> None:
    """Answer items until nobody is there any more."""

    def say(kind: bytes, what: object) -> None:
        connection.send_bytes(kind + pickle.dumps(what, pickle.HIGHEST_PROTOCOL))

    with suppress(EOFError, OSError):  # the process that was copied has closed, or is gone
        while True:
            item = connection.recv()
            try:
                answer = function(item, lambda what: say(_TOLD, what))
            except BaseException as error:  # noqa: BLE001 - it is raised in the other process
                say(_FAILED, _portable(error))
            else:
                say(_DONE, answer)


def _portable(error: BaseException) -> BaseException:
    """Return an error that another process can raise, and say where it happened."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - as above
    except (pickle.PickleError, TypeError, AttributeError):
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
