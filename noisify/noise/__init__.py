"""The noise models: pure functions over arrays, listed in `table`."""
