"""What HDF5 files and Zarr stores have in common: datasets in chunks, of which some get noise.

`source` reads them in `pieces`, in the way of `storage` that each dataset has.
"""
