"""Bytes in and bytes out: inputs, decompression, compression, outputs put in place at the end.

`input` hands bytes to a format's source; a format's sink hands bytes to `output`.
"""
