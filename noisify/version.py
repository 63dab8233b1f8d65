"""The version, free of NumPy, so that `--version` is quick."""

from __future__ import annotations


def own_version() -> str:
    """Return the installed version of noisify."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - a tenth of a small run

    try:
        return version("noisify-cli")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
