"""A report as one HTML file: no script, nothing from elsewhere, light and dark."""

from __future__ import annotations

import base64
import math
from html import escape
from typing import TYPE_CHECKING

from noisify.core.errors import printable
from noisify.core.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLE = """
:root { color-scheme: light dark; --text: #1b1b1b; --faint: #5c5c5c; --line: #d5d5d5;
  --page: #ffffff; --box: #f5f5f2; }
@media (prefers-color-scheme: dark) { :root { --text: #e8e8e4; --faint: #a8a8a4; --line: #44443f;
  --page: #1a1a18; --box: #262623; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; color: var(--faint); }
pre { background: var(--box); padding: .75rem 1rem; border-radius: 4px; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { width: 100%; height: auto; background: #ffffff; border-radius: 4px; }
@media print { body { max-width: none; } }
"""


class Page:
    """A page being put together.

    Args:
        title: Its title.
        lead: A sentence below the title.
    """

    def __init__(self, title: str, lead: str) -> None:
        self._title = _text(title)
        self._parts = [f"<h1>{self._title}</h1>", f"<p>{_text(lead)}</p>"]

    def code(self, title: str, text: str) -> None:
        """Add a text to copy."""
        lines = "\n".join(map(_text, text.rstrip("\n").split("\n")))
        self._parts.append(f"<h2>{_text(title)}</h2>\n<pre><code>{lines}</code></pre>")

    def table(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table; its first column holds names."""
        head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
        body = "\n".join(
            "<tr>" + "".join(f"<td>{_text(cell(value))}</td>" for value in row) + "</tr>"
            for row in rows
        )
        self._parts.append(
            f'<h2>{_text(title)}</h2>\n<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
            f"<tbody>\n{body}\n</tbody></table></div>"
        )

    def lines(self, title: str, lines: Sequence[str]) -> None:
        """Add a list of sentences, if there are any."""
        if lines:
            items = "\n".join(f"<li>{_text(line)}</li>" for line in lines)
            self._parts.append(f"<h2>{_text(title)}</h2>\n<ul>\n{items}\n</ul>")

    def picture(self, svg: bytes) -> None:
        """Add a picture, kept in the page."""
        data = base64.b64encode(svg).decode()
        self._parts.append(
            f'<h2>Picture</h2>\n<img alt="Picture" src="data:image/svg+xml;base64,{data}">'
        )

    def content(self) -> str:
        """Return the page."""
        body = "\n".join(self._parts)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<link rel="icon" href="data:,">\n<title>{self._title}</title>\n'
            f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n"
            f"<p>noisify {VERSION}</p>\n</body>\n</html>\n"
        )


def cell(value: object) -> str:
    """Return a figure as a table shows it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _text(text: str) -> str:
    return escape(printable(text))
