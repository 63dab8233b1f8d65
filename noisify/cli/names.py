"""The names of inputs as they are typed: `file:` URLs, and globs in other URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.lazy import LazyModule
from noisify.core.urls import is_url, local_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.files import remote
else:
    remote = LazyModule("noisify.files.remote")


def expanded(inputs: Sequence[str]) -> list[str]:
    """Return inputs with `file:` URLs as paths, and the URLs that globs in URLs match.

    Raises:
        NoisifyError: If a glob matches nothing, or its place cannot be listed.
    """
    names = [local_name(name) for name in inputs]
    return remote.expand(names) if any(map(is_url, names)) else names
