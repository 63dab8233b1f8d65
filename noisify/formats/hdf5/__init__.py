"""HDF5 and NetCDF-4: the file is copied, then noisy datasets are written over it.

`datasets` lists what can get noise, `storage` reads and writes its bytes, chunk by chunk.
"""
