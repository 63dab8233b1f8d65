"""Write what the examples in README.md and docs/ print now into the pages: after noise changed.

    python tests/renew_examples.py [PAGE...]

Look at the difference before you commit it: an example that breaks is written down just the same.
"""

from __future__ import annotations

import doctest
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from page_examples import (
    BLOCKS,
    PAGES,
    ROOT,
    commands_and_outputs,
    copy_samples,
    environment_for,
    page_makefile,
    run_command,
)


def main(pages: list[str]) -> int:
    """Renew some pages, or all; return the exit status."""
    for page, text in PAGES.items():
        if pages and page not in pages:
            continue
        own = [block for block in BLOCKS if block.page == page]
        renewed = text
        for block in own:
            if block.language == "console":
                renewed = renewed.replace(block.text, renewed_console(block))
        python = "\n".join(block.text for block in own if block.language == "python")
        for example, got in wrong_examples(python, page):
            old = example.source + (example.want or "")
            renewed = renewed.replace(old, example.source + got)
        if renewed != text:
            (ROOT / page).write_text(renewed, encoding="utf-8")
            print(f"renewed {page}")
    return 0


def renewed_console(block) -> str:
    """Return a console example with what its commands print now."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(copy_samples(Path(folder)))
        Path("Makefile").write_text(page_makefile(block.page), encoding="utf-8")
        environment = environment_for(Path(folder))
        try:
            return "".join(
                f"$ {command}\n{run_command(command, environment)}"
                for command, _ in commands_and_outputs(block.text)
            )
        except AssertionError as error:
            print(f"{block.page}:{block.line}: fails: {error}", file=sys.stderr)
            return block.text
        finally:
            os.chdir(ROOT)


def wrong_examples(text: str, page: str) -> list[tuple[doctest.Example, str]]:
    """Return the examples of a page that print something else, and what that is."""
    wrong = []

    class Runner(doctest.DocTestRunner):
        def report_failure(self, _out, _test, example, got) -> None:
            wrong.append((example, got))

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(copy_samples(Path(folder)))
        Runner().run(doctest.DocTestParser().get_doctest(text, {}, page, page, 0))
        os.chdir(ROOT)
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
