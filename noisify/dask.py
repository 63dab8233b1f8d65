"""Noise on Dask collections: lazy, and the same however they are cut into chunks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias, TypeVar

import dask.array as da
import dask.dataframe as dd
import numpy as np
from dask.delayed import delayed

from noisify.api import noisy_copy
from noisify.core.errors import UsageError
from noisify.engine.rows_from import BlockOf, RowsFrom
from noisify.plan.request import NoiseOptions, request_from, show_options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from numpy.typing import NDArray

    from noisify.plan.model_names import ModelName
    from noisify.plan.model_spec import ModelSpec
    from noisify.plan.plan import Request

Collection = TypeVar("Collection")
DaskObject: TypeAlias = Any
"""A collection of Dask, which has no types."""


@show_options
def add_noise(
    collection: Collection,
    model: ModelName | ModelSpec | None = None,
    *,
    decimals: int | None = None,
    seed: SupportsIndex | None = None,
    file: str | None = None,
    **options: Unpack[NoiseOptions],
) -> Collection:
    """Return a lazy noisy copy of a Dask array, DataFrame or Series, or of an array of xarray.

    An element has the noise that it has in a file with the same rows, or in NumPy, whatever the
    chunks. The rows of a DataFrame are counted first, once, since Dask does not know where its
    partitions start; of an array, nothing is computed. Levels of the whole field, such as the usual
    "0.1sd", are refused: compute the number, and give it.

    Args:
        collection: A `dask.array.Array` of known chunks, a `dask.dataframe` DataFrame or Series, or
            an `xarray.DataArray` in chunks.
        model: See `noisify.add_noise`.
        decimals: See `noisify.add_noise`.
        seed: See `noisify.add_noise`; without one, all chunks have the same new one.
        file: See `noisify.add_noise`.
        **options: Which noise, and on which fields, as for `noisify.add_noise`: from `scale` to
            `key`.

    Raises:
        UsageError: If an argument does not fit, or the noise needs the whole collection.
    """
    request = request_from(options, model=model, decimals=decimals, seed=seed, file=file)
    found: Any = collection
    if isinstance(found, da.Array):
        return _noisy_array(found, request)  # type: ignore[no-any-return]
    if isinstance(found, dd.DataFrame | dd.Series):
        return _noisy_table(found, request)  # type: ignore[no-any-return]
    if isinstance(getattr(found, "data", None), da.Array):
        return found.copy(data=_noisy_array(found.data, request))  # type: ignore[no-any-return]
    raise UsageError(
        f"the collection is of type {type(found).__name__}; give a dask.array, a dask.dataframe, "
        "or an array of xarray in chunks"
    )


def _noisy_array(array: DaskObject, request: Request) -> DaskObject:
    if any(np.isnan(extent) for axis in array.chunks for extent in axis):
        raise UsageError("the array has chunks of unknown size; call its compute_chunk_sizes()")
    empty = np.empty((0,) * array.ndim, array.dtype)
    nowhere = (slice(0, 0),) * array.ndim
    noisy_copy(empty, request, 1, partial(BlockOf, shape=array.shape, box=nowhere))
    work = partial(_noisy_block, request=request, shape=array.shape)
    return array.map_blocks(work, dtype=array.dtype, meta=array._meta)  # noqa: SLF001 - as Dask's own


def _noisy_block(
    block: NDArray[Any],
    request: Request,
    shape: tuple[int, ...],
    block_info: Mapping[int, Mapping[str, Any]],
) -> NDArray[Any]:
    """Return a noisy copy of a block; Dask tells where it is."""
    box = tuple(slice(start, stop) for start, stop in block_info[0]["array-location"])
    array = np.asanyarray(block)  # a block without axes may be a scalar
    noisy, _ = noisy_copy(array, request, 1, partial(BlockOf, shape=shape, box=box))
    return noisy


def _noisy_table(table: DaskObject, request: Request) -> DaskObject:
    meta = _noisy_partition(table._meta, request, 0)  # noqa: SLF001 - as Dask's own
    parts = table.to_delayed()
    lengths: Any = delayed(list)([delayed(len)(part) for part in parts])
    starts = np.cumsum([0, *lengths.compute()])[:-1].tolist()
    work: Any = delayed(_noisy_partition)
    noisy = [work(part, request, start) for part, start in zip(parts, starts, strict=True)]
    divisions = table.divisions if table.known_divisions else None
    return dd.from_delayed(noisy, meta=meta, divisions=divisions, verify_meta=False)


def _noisy_partition(part: DaskObject, request: Request, start: int) -> DaskObject:
    """Return a noisy copy of a partition that starts at some row."""
    noisy, _ = noisy_copy(part, request, 1, partial(RowsFrom, first=start))
    return noisy
