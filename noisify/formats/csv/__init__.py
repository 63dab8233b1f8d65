"""CSV and TSV by splicing: noisy cells are replaced in place, all other bytes are kept.

`scan` finds the cells, `source` parses them, `sink` writes the noisy ones back.
"""
