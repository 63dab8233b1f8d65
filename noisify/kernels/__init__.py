"""Elementary functions and sums with the same bits on every machine: NumPy and C++ side by side.

Only float64 +, -, *, /, sqrt, comparisons and integer operations: each is rounded alike everywhere.
"""

from noisify.core.lazy import import_lazily

import_lazily(__name__, "elementary")
