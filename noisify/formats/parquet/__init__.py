"""Parquet, row group by row group: noisy column chunks are encoded anew, all others copied.

`source` cuts row groups into pieces, `column_chunk` encodes, `sink` writes and mends the footer.
"""
