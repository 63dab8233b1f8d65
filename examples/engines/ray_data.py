"""Add noise to a Parquet file with Ray Data: python ray_data.py INPUT OUTPUT BLOCKS.

The noise is that of `noisify INPUT --key id -c x,y -s 0.5 --seed 42`, in any order of the rows.
"""

import sys

import pyarrow as pa
import ray

from noisify import add_noise


def noisy(batch: pa.Table) -> pa.Table:
    """Return a batch with noise, by the key of each row."""
    return add_noise(batch, key="id", columns="x,y", scale=0.5, seed=42, jobs=1)


if __name__ == "__main__":
    source, target, blocks = sys.argv[1:]
    table = ray.data.read_parquet(source).random_shuffle(seed=1).repartition(int(blocks))
    table.map_batches(noisy, batch_format="pyarrow").write_parquet(target)
