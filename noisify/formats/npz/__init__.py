"""NPZ: a ZIP archive of NPY members; members that get no noise are copied as they are packed.

`zip_archive` finds members, `source` reads them; `sink` writes the noisy ones by `zip_writer`.
"""
