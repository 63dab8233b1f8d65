"""Compatibility streams: one sequential NumPy generator, used as a script would use it.

A script draws for one whole field after another. Here chunks contain several fields, so each step
has its own copy of the generator, advanced past all draws of the steps before it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Positions
from noisify.core.errors import UsageError
from noisify.core.options import option
from noisify.noise.model import NoiseContext
from noisify.streams.streams import SequentialVariates, numpy_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.core.chunk import Field
    from noisify.formats.interface import Source
    from noisify.plan.plan import Plan, Step
    from noisify.streams.streams import NumpyGenerator

_SKIP_ELEMENTS = 1 << 17


def check_streams(plan: Plan) -> None:
    """Refuse models that a compatibility stream cannot serve.

    Raises:
        UsageError: If a model does not draw exactly once per element, in order.
    """
    if plan.rng == "noisify":
        return
    generator = numpy_generator(plan.rng, plan.seed)
    for step in plan.steps:
        try:
            _try_out(step, generator)
        except UsageError as error:
            raise UsageError(
                f"{step.model.name} with {option('rng')} {plan.rng}: {error.message}"
            ) from None


def _try_out(step: Step, generator: NumpyGenerator) -> None:
    """Apply a step to one element, to check that it draws only once."""
    number = step.field.number
    if number is None or step.model.halo or step.model.multi_field:
        raise UsageError(f"this model needs noisify's own streams; drop {option('rng')}")
    variates = _OneDraw(generator, Positions.range(0, 1))
    companions = dict.fromkeys(step.companions, np.zeros(1))
    keys = dict.fromkeys(step.model.key_fields(), np.zeros(1, np.uint64))
    context = NoiseContext(variates, number, companions, keys=keys)
    step.model.apply(np.zeros(1, number.dtype), context)


class _OneDraw(SequentialVariates):
    """A compatibility stream that refuses a second draw, which would depend on the chunks."""

    __slots__ = ("_used",)

    def drawn(self, distribution: str, lane: str, *parameters: float) -> NDArray[np.float64]:
        """Return the next variates, once."""
        if hasattr(self, "_used"):
            raise UsageError(f"it draws more than once for an element; drop {option('rng')}")
        self._used = True
        return SequentialVariates.drawn(self, distribution, lane, *parameters)


def sequential_generators(plan: Plan, source: Source[Any], size: int) -> dict[Step, NumpyGenerator]:
    """Return each step's generator in the state in which a script would reach the step.

    Args:
        plan: The plan; with noisify's own streams, there are no generators.
        source: The data, which is read if a field's length is not known otherwise.
        size: The bytes of a chunk.
    """
    if plan.rng == "noisify":
        return {}
    generator = numpy_generator(plan.rng, plan.seed)
    generators: dict[Step, NumpyGenerator] = {}
    for step in plan.steps:
        generators[step] = copy.deepcopy(generator)
        if step is plan.steps[-1]:
            break
        if step.field.number is None:
            raise UsageError("holds no numbers", field=step.field.name)
        number = step.field.number
        length = source.length(step.field)
        if length is None:
            length = _count(source, step.field, size)
        for start in range(0, length, _SKIP_ELEMENTS):
            here = Positions.range(start, min(start + _SKIP_ELEMENTS, length))
            companions = dict.fromkeys(step.companions, np.zeros(here.size))
            context = NoiseContext(SequentialVariates(generator, here), number, companions)
            step.model.apply(np.zeros(here.size, number.dtype), context)
    return generators


def _count(source: Source[Any], field: Field, size: int) -> int:
    """Count the elements of a field by reading it."""
    return sum(
        source.decode(raw, [field]).columns[0].positions.size
        for raw in source.read([[field]], size).pieces
    )
