"""The names of inputs and outputs as they are typed: `file:` URLs, and globs in other URLs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from noisify.core.lazy import LazyModule
from noisify.core.urls import is_url, local_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.cli.arguments import Arguments
    from noisify.files import remote
else:
    remote = LazyModule("noisify.files.remote")

_PATHS = ("output", "output_dir", "mask", "restore", "report", "plot", "recipe")


def expanded(inputs: Sequence[str]) -> list[str]:
    """Return inputs with `file:` URLs as paths, and the URLs that globs in URLs match.

    Raises:
        NoisifyError: If a glob matches nothing, or its place cannot be listed.
    """
    names = [local_name(name) for name in inputs]
    return remote.expand(names) if any(map(is_url, names)) else names


def with_local_names(arguments: Arguments) -> Arguments:
    """Return the arguments with `file:` URLs as paths."""
    typed: dict[str, str | None] = {name: getattr(arguments, name) for name in _PATHS}
    local: dict[str, Any] = {
        name: path for name, text in typed.items() if text and (path := local_name(text)) != text
    }
    return replace(arguments, **local) if local else arguments
