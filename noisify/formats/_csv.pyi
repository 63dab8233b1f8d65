# The compiled part, as csv_compiled calls it; see _csv.cpp.

from typing import TypeAlias

from numpy import bool_, float64, int32, int64, uint8
from numpy.typing import NDArray

Bytes: TypeAlias = bytes | bytearray | memoryview
Numbers: TypeAlias = NDArray[float64] | NDArray[int64]
Change: TypeAlias = tuple[
    int, bool, NDArray[bool_], Numbers | Bytes, NDArray[int32] | None, NDArray[int64] | None
]

INTERFACE: int

def cut(
    data: Bytes, delimiter: int, at_end: bool, /
) -> tuple[int, int, int, bool, bool, bool, bool]: ...
def scan(
    data: Bytes,
    delimiter: int,
    columns: int,
    wanted: NDArray[int64],
    starts: NDArray[int64],
    ends: NDArray[int64],
    /,
) -> bool: ...
def parse(
    data: Bytes,
    starts: NDArray[int64],
    ends: NDArray[int64],
    nulls: tuple[bytes, ...],
    values: Numbers,
    statuses: NDArray[uint8],
    /,
) -> tuple[int, int, int, int]: ...
def format(values: NDArray[float64], offsets: NDArray[int32], /) -> bytearray: ...  # noqa: A001
def splice(
    data: Bytes, starts: NDArray[int64], ends: NDArray[int64], changes: list[Change], /
) -> bytearray: ...
