"""Put the table of all models into `docs/models.md`, from the table in the code: `make readme`."""

from __future__ import annotations

import re
from pathlib import Path

from noisify.cli.explain import summary
from noisify.noise import registry

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
HEAD = "| model | family | also called | what it is |\n|---|---|---|---|\n"


def model_table() -> str:
    """Return the table in Markdown, a line a model."""
    lines = []
    for entry in registry.MODELS:
        model = entry.load()
        aliases = ", ".join(f"`{alias}`" for alias in entry.aliases)
        cells = (f"`{entry.name}`", model.family, aliases, escaped(summary(model)))
        lines.append("| " + " | ".join(cells).replace("|  |", "| |") + " |\n")
    return HEAD + "".join(lines)


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return re.sub(r"([*|`])", r"\\\1", text)


if __name__ == "__main__":
    written = PAGE.read_text(encoding="utf-8")
    new = re.sub(
        r"\| model \|[^\n]*\n\|---[^\n]*\n(?:\|[^\n]*\n)+", lambda _: model_table(), written
    )
    PAGE.write_text(new, encoding="utf-8")
