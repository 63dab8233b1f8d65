"""Shared by all folders: errors, chunks, dtypes, small value classes, the native loader.

Imports no other folder of the package.
"""

from noisify.core.lazy import import_lazily

import_lazily(__name__, "native share")
