"""Run the command: `noisify`, and `python -m noisify`.

With `-m`, Python puts the current folder first on the path, and a `re.py` among the data must not
be run. So all that is imported before that folder is off the path is built into the interpreter.
"""

import _signal  # type: ignore[import-not-found] # signal.py would import enum and more
import os
import sys

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # nothing is there to clean up: just end


def _leave_current_folder() -> None:
    """Import nothing from the current folder, as with `python -P`."""
    try:
        folder = os.getcwd()  # noqa: PTH109 - pathlib would come from there
    except OSError:  # it is gone, and not on the path
        return
    if sys.path[:1] == [folder] and not sys.flags.safe_path:
        del sys.path[0]


def main() -> None:
    """Run the command and exit."""
    from noisify.cli import main as run  # noqa: PLC0415 - after the lines above

    run()


def compare() -> None:
    """Run noisify-compare and exit."""
    from noisify.cli import main as run  # noqa: PLC0415 - after the lines above

    run(program="noisify-compare")


if __name__ == "__main__":
    _leave_current_folder()
    main()
