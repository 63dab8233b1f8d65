"""The command line: argv to a request, a request to an exit status. Nothing numeric."""

from noisify.cli.entry import main

__all__ = ["main"]
