"""NPZ files, ZIP archives of NPY members; members without noise keep their compressed bytes.

`zip_archive` finds members, `source` reads them; `sink` writes the noisy ones by `zip_writer`.
"""
