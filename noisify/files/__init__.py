"""Reading and writing bytes: inputs, (de)compression, and outputs renamed into place at the end.

`input` hands bytes to a format's source; a format's sink hands bytes to `output`.
"""
