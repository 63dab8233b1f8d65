"""The noise models: pure functions over arrays, listed in `registry`.

Values and variates go in, noisy values come out; no model reads or writes a file.
"""
