"""Add noise to six columns of a Parquet file with pyarrow."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

COLUMNS = ["temperature", "humidity", "pressure", "wind", "flux", "ratio"]

source, target, codec = sys.argv[1:]
rng = np.random.default_rng(42)
table = pq.read_table(source)
for name in COLUMNS:
    noisy = pc.add(table[name], pa.array(rng.normal(0, 0.1, table.num_rows)))
    table = table.set_column(table.column_names.index(name), name, noisy)
pq.write_table(table, target, compression=codec)
