"""NPY: the header is parsed by NumPy, the data read and written at their places."""
