"""The command line: argv to a request, a request to an exit status. Nothing numeric."""

from noisify.cli.entry import main
from noisify.core.lazy import import_lazily

__all__ = ["main"]

import_lazily(
    __name__,
    "completion execute explain field_listing mistakes pictures preview some_outputs",
)
