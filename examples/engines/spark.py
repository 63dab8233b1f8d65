"""Add noise to a Parquet file with Spark: python spark.py INPUT OUTPUT PARTITIONS.

The noise is that of `noisify INPUT -c x,y -s 0.5 --seed 42`, wherever Spark puts the rows.
"""

import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from noisify import add_noise


def noisy(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches with noise, by the number of each row."""
    for unsorted in batches:
        batch = unsorted.sort_by("row_index")
        rows = batch["row_index"].to_numpy()
        runs = np.flatnonzero(np.diff(rows, prepend=-2) != 1)  # where consecutive rows begin
        for begin, end in pairwise([*runs, len(rows)]):
            part = batch.slice(begin, end - begin)
            yield add_noise(part, columns="x,y", scale=0.5, seed=42, start=rows[begin], jobs=1)


if __name__ == "__main__":
    source, target, partitions = sys.argv[1:]
    spark = SparkSession.builder.getOrCreate()
    table = spark.read.parquet(source).select("*", "_metadata.row_index")
    table = table.repartition(int(partitions))  # deals the rows out one by one
    table.mapInArrow(noisy, table.schema).drop("row_index").write.parquet(target)
