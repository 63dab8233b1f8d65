"""The noise models: pure functions over arrays, listed in `registry`.

Values and variates go in, noisy values come out. Models neither read nor write files.
"""

from noisify.core.lazy import import_lazily

import_lazily(__name__, "level normal_quantile registry")
