"""Work on one of several shards of a command: a part of one file, or some of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from noisify.core.errors import UsageError
from noisify.engine.batch import size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.cli.arguments import Arguments
    from noisify.cli.runs import Run
    from noisify.core.share import Share

Item = TypeVar("Item")
_REFUSED = (
    ("in_place", "--in-place replaces whole files; give each shard an output with -o"),
    ("append", "--append writes the input several times; write the copies by --replicates"),
    ("mask", "--mask is of a whole file, not of a part; make it with one run"),
    ("restore", "--restore takes a whole file, not a part"),
    ("preview", "--preview shows the start of the whole file; leave out --shard"),
    ("plot", "--plot is of a whole run, not of a part; make it with one run"),
)


def check_shard(arguments: Arguments, found: Sequence[Run]) -> None:
    """Refuse options that a shard of a run cannot have.

    Raises:
        UsageError: If there is one, or the shards would each draw a seed of their own.
    """
    for name, why in _REFUSED:
        if getattr(arguments, name):
            raise UsageError(f"{why} (--shard {arguments.shard})")
    if any(run.drawn for run in found):
        raise UsageError("--shard needs a seed that all shards have; add --seed N")


def of_shard(
    share: Share, inputs: Sequence[str], others: Sequence[Item]
) -> tuple[list[str], list[Item]]:
    """Return the files of a shard, shared out by size in the order of the command.

    Args:
        share: The shard.
        inputs: All files.
        others: What goes with each.
    """
    mine = share.of_sizes([size_of(path) or 0 for path in inputs])
    return list(inputs[mine.start : mine.stop]), list(others[mine.start : mine.stop])
