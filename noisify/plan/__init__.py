"""Turn a request into a plan: selectors, conditions, recipes, presets, levels.

Words of a flag or a recipe go in; a plan comes out in which every number is settled.
"""

from noisify.core.lazy import import_lazily

import_lazily(__name__, "presets recipe recipe_text word_values series")
