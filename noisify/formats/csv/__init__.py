"""CSV and TSV by splicing: cells are found, chosen ones replaced, all other bytes kept.

`scan` finds cells, `source` reads them as values, `sink` writes noisy ones in their places.
"""
