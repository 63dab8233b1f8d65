"""Run the command: python -m noisify."""

import os
import sys

if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 - pathlib is slow
    del sys.path[0]  # a numpy.py among the data is not to be run; as with -P

from noisify.cli import main

if __name__ == "__main__":
    main()
