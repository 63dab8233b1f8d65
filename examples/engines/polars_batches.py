"""Add noise to a Parquet file with polars' streaming engine: python polars_batches.py INPUT OUTPUT.

The noise is that of `noisify INPUT -c x,y -s 0.5 --seed 42`, and the table need not fit in memory.
"""

import sys

import polars as pl

from noisify import add_noise


def noisy(batch: pl.DataFrame) -> pl.DataFrame:
    """Return a batch of consecutive rows with noise, by the number of the first one."""
    if batch.is_empty():
        return batch
    return add_noise(batch, columns="x,y", scale=0.5, seed=42, start=batch["row"][0], jobs=1)


if __name__ == "__main__":
    source, target = sys.argv[1:]
    table = pl.scan_parquet(source, row_index_name="row")
    table.map_batches(noisy, streamable=True).drop("row").sink_parquet(target)
