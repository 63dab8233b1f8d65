"""Random streams: from seed, field, model and position to random numbers.

A model asks for variates; they depend only on the stream's name and the element's index.
"""

from noisify.core.lazy import import_lazily

import_lazily(__name__, "distributions keys")
