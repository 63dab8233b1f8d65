"""Rewrite a Parquet file with pyarrow as it is: what the format costs, without noise."""

import sys

import pyarrow.parquet as pq

source, target = sys.argv[1:]
group = pq.read_metadata(source).row_group(0)
chunk = group.column(0)
pq.write_table(
    pq.read_table(source),
    target,
    row_group_size=group.num_rows,
    compression=chunk.compression.lower().replace("uncompressed", "none"),
    use_dictionary=False,
    write_statistics=chunk.is_stats_set,
)
