"""URLs as the names of inputs and outputs: which names are URLs, their parts, and their secrets."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]+)://"
_USER_INFO = r"([A-Za-z][A-Za-z0-9+.-]+://)[^\s/@:]*:[^\s/]*@"
_QUERY = r"((?:https?|abfss?|az|adl)://[^\s?#'\"]+)\?[^\s'\"]*[^\s'\".,:;)]"
_WITH_QUERY = {"http", "https"}


def scheme(name: str | Path) -> str:
    """Return the scheme of a URL in lower case; empty for the path of a file.

    To name a local file whose name looks like a URL, type another path, such as `./s3://x.csv`.

    >>> scheme("s3://lake/day1.csv"), scheme("day1.csv"), scheme("./s3://day1.csv")
    ('s3', '', '')
    """
    text = os.fspath(name)
    if "://" not in text:
        return ""
    found = re.match(_SCHEME, text)
    return found[1].lower() if found else ""


def is_url(name: str | Path) -> bool:
    """Return whether a name is the URL of something that is not a local file."""
    return scheme(name) not in {"", "file"}


def local_name(name: str) -> str:
    """Return the path that a `file:` URL names; any other name is returned as it is.

    >>> local_name("file:///data/day%201.csv"), local_name("day%201.csv")
    ('/data/day 1.csv', 'day%201.csv')
    """
    if scheme(name) != "file":
        return name
    from urllib.parse import urlsplit  # noqa: PLC0415 - few runs need it
    from urllib.request import url2pathname  # noqa: PLC0415 - likewise

    parts = urlsplit(name, allow_fragments=False)
    host = "" if parts.netloc == "localhost" else parts.netloc
    query = f"?{parts.query}" if parts.query else ""
    return (f"//{host}" if host else "") + url2pathname(parts.path + query)


def path_of(name: str) -> str:
    """Return a URL without its query, which has no part in the file's name.

    >>> path_of("https://host/day1.csv?sig=x"), path_of("s3://lake/day?.csv")
    ('https://host/day1.csv', 's3://lake/day?.csv')
    """
    if scheme(name) in _WITH_QUERY:
        return name.partition("?")[0].partition("#")[0]
    return name


def joined(folder: str, name: str) -> str:
    """Return the URL of a file in a folder.

    >>> joined("s3://lake/noisy/", "day1.csv")
    's3://lake/noisy/day1.csv'
    """
    return f"{folder.rstrip('/')}/{name}"


def redacted(text: str) -> str:
    """Hide passwords and queries, which may be signatures, of the URLs in a text.

    >>> redacted("https://me:secret@host/day1.csv?sig=x: is not there")
    'https://***@host/day1.csv?…: is not there'
    """
    if "://" not in text:
        return text
    return re.sub(_QUERY, r"\1?…", re.sub(_USER_INFO, r"\1***@", text))


def without_password(text: str, url: str) -> str:
    """Hide the name and password of a URL in a text that repeats a part of it.

    >>> without_password("no bucket 'me:secret@lake'", "s3://me:secret@lake/day1.csv")
    "no bucket '***@lake'"
    """
    user = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    return text.replace(f"{user}@", "***@") if user else text
