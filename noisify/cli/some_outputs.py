"""Make some outputs of a command: those of one shard, or those that are not finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.errors import UsageError
from noisify.engine.batch import size_of
from noisify.engine.finished import FinishedOutputs
from noisify.engine.parallel import ordered_map
from noisify.files.leftovers import remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.cli.arguments import Arguments
    from noisify.cli.messages import Notes
    from noisify.cli.runs import Run
    from noisify.core.share import Share

    Outputs = Sequence[list[str]]

_REQUESTS = 16
"""Files whose records are looked up at once, since each waits for a server's answer."""
_NOT_OF_A_SHARD = {
    "in_place": "--in-place replaces whole files; give each shard an output with -o",
    "append": "--append writes the input several times; write the copies by --replicates",
    "mask": "--mask is of a whole file, not of a part; make it with one run",
    "restore": "--restore takes a whole file, not a part",
    "preview": "--preview shows the start of the whole file; leave out --shard",
    "plot": "--plot is of a whole run, not of a part; make it with one run",
}
_NOT_RESUMED = {
    "report": "--report would lack the outputs that are finished",
    "plot": "--plot would lack the outputs that are finished",
    "mask": "--mask would not be made of an output that is finished",
    "depfile": "--depfile would lack the outputs that are finished",
    "sweeps": "the list of a sweep would lack the outputs that are finished",
}


def check_shard(arguments: Arguments, found: Sequence[Run]) -> None:
    """Refuse options that a shard of a run cannot have.

    Raises:
        UsageError: If there is one, or the shards would each draw a seed of their own.
    """
    for name, why in _NOT_OF_A_SHARD.items():
        if getattr(arguments, name):
            raise UsageError(f"{why} (--shard {arguments.shard})")
    if any(run.drawn for run in found):
        raise UsageError("--shard needs a seed that all shards have; add --seed N")


def of_shard(
    share: Share, inputs: Sequence[str], outputs: Outputs
) -> tuple[Sequence[str], Outputs]:
    """Return the inputs of a shard, shared out by size in the order of the command, and outputs.

    Args:
        share: The shard.
        inputs: All inputs.
        outputs: For each input the names of its outputs.
    """
    mine = share.of_sizes([size_of(path) or 0 for path in inputs])
    return inputs[mine.start : mine.stop], outputs[mine.start : mine.stop]


def finished_outputs(arguments: Arguments, found: Sequence[Run]) -> FinishedOutputs:
    """Return the records of finished outputs.

    Raises:
        UsageError: If the run cannot be resumed.
    """
    if arguments.output_dir is None:
        raise UsageError("--resume is for the files of --output-dir DIR")
    for name, why in _NOT_RESUMED.items():
        if getattr(arguments, name):
            raise UsageError(f"{why}; leave out --resume, or make it in a run of its own")
    if found[0].drawn:
        raise UsageError("--resume needs a seed that all runs have; add --seed N")
    settled = [
        [(run.request, run.per_file, run.replicate) for run in found],
        arguments.read,
        arguments.from_format,
        arguments.to_format,
        arguments.compress_level,
        arguments.append,
    ]
    return FinishedOutputs(arguments.output_dir, settled)


def unfinished(
    finished: FinishedOutputs,
    inputs: Sequence[str],
    outputs: Outputs,
    notes: Notes,
) -> tuple[Sequence[str], Outputs]:
    """Return the inputs with an output that is not finished, and their outputs.

    What a killed run left of these outputs is removed.
    """
    pairs = list(zip(inputs, outputs, strict=True))
    known = ordered_map(lambda pair: finished.has(*pair), iter(pairs), _REQUESTS)
    left = [pair for pair, is_finished in zip(pairs, known, strict=True) if not is_finished]
    remove_leftovers(target for _, targets in left for target in targets)
    done = len(inputs) - len(left)
    if done:
        notes.add(f"{done:,} of {len(inputs):,} files are finished, and stay as they are")
    return [path for path, _ in left], [targets for _, targets in left]
