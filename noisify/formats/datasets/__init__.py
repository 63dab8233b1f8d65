"""What HDF5 files and Zarr stores have in common: datasets in chunks, of which some get noise.

`source` reads them in `pieces`, `rechunk` those whose chunks run against the order of elements.
"""
