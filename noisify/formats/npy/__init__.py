"""NPY arrays: NumPy parses the header, and the data are read and written in pieces."""
