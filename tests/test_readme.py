"""What README.md and docs/ show is what happens: the examples run, the tables are the code's."""

import doctest
import re
import shutil

import pytest
from page_examples import (
    BLOCKS,
    PAGES,
    PROMPT,
    ROOT,
    commands_and_outputs,
    copy_samples,
    page_makefile,
    run_command,
)
from run_command import run

from noisify.cli.explain import summary
from noisify.noise import level, registry

TASKS = re.compile(r"^\| I want to .*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)


def blocks(language):
    return [
        pytest.param(b, id=f"{b.page}:{b.line}", marks=needed_tools(b))
        for b in BLOCKS
        if b.language == language
    ]


def cells(row):
    """Return the cells of a table's row."""
    return [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def tasks():
    """Return the commands of tables whose rows say "I want to … | type"."""
    return [
        pytest.param(cells(row)[1].strip("`"), id=f"{page} task {number}")
        for page, text in PAGES.items()
        for table in TASKS.finditer(text)
        for number, row in enumerate(table[1].splitlines(), 1)
    ]


def needed_tools(block):
    needed = [tool for tool in ("make", "gzip", "zcat") if f"{tool} " in block.text]
    missing = [tool for tool in ("bash", *needed) if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """A copy of the sample data, as the current folder."""
    folder = copy_samples(tmp_path)
    monkeypatch.chdir(folder)
    return folder


def test_files_that_a_user_has_made_are_not_samples(tmp_path, monkeypatch):
    ours = sorted(path.name for path in copy_samples(tmp_path).iterdir())
    shutil.copy(ROOT / "sample_data" / "README.md", tmp_path / "sample_data")
    (tmp_path / "sample_data" / "noisy.csv").touch()
    (tmp_path / "copy").mkdir()
    monkeypatch.setattr("page_examples.ROOT", tmp_path)

    assert ours == sorted(path.name for path in copy_samples(tmp_path / "copy").iterdir())
    assert {"sensors.csv", "survey.h5", "recipe.toml"} < set(ours)


@pytest.mark.parametrize("block", blocks("console"))
def test_a_console_example_prints_what_it_shows(block, samples, environment) -> None:
    pairs = commands_and_outputs(block.text)
    (samples / "Makefile").write_text(page_makefile(block.page), encoding="utf-8")

    found = [(command, run_command(command, environment)) for command, _ in pairs]

    assert block.text.startswith(PROMPT)
    assert pairs == found


@pytest.mark.parametrize("command", tasks())
@pytest.mark.usefixtures("samples")
def test_a_task_is_done_by_what_is_to_be_typed(command, environment) -> None:
    run_command("noisify sensors.csv -o noisy.csv -q", environment)
    run_command(command, environment)


@pytest.mark.parametrize(
    "page", sorted({block.page for block in BLOCKS if block.language == "python"})
)
@pytest.mark.usefixtures("samples")
def test_the_python_examples_give_what_they_show(page) -> None:
    own = [block.text for block in BLOCKS if (block.page, block.language) == (page, "python")]
    example = doctest.DocTestParser().get_doctest("\n".join(own), {}, page, page, 0)
    said = []

    results = doctest.DocTestRunner().run(example, out=said.append)

    assert all(text.startswith(">>> ") for text in own)
    assert 0 == results.failed, "".join(said)


def test_every_fenced_block_is_of_a_kind_that_is_tested() -> None:
    assert {"console", "make", "python"} == {block.language for block in BLOCKS}


def first_table(page):
    """Return the cells of a page's first table, without its head."""
    lines = [line for line in PAGES[page].splitlines() if line.startswith("|")]
    return [cells(line) for line in lines[2:]]


def test_the_table_of_models_is_that_of_the_code() -> None:
    expected = [
        [
            f"[`{e.name}`](models/{e.name}.md)",
            e.load().family,
            ", ".join(f"`{a}`" for a in e.aliases),
            summary(e.load()),
        ]
        for e in registry.MODELS
    ]

    assert expected == first_table("docs/models.md")


def test_the_levels_shown_are_levels() -> None:
    shown = [row[0].strip("`") for row in first_table("docs/levels.md")]

    assert 6 == len({level.parse(text) for text in shown})


def test_every_option_mentioned_exists() -> None:
    option = re.compile(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*")
    short = re.compile(r"`(-[a-z])\b")
    helped = "".join(
        run("--help", program=program).output.decode() for program in ("noisify", "noisify-compare")
    )

    others = r'^    dask .*|MATRIX="[^"]*"'  # Dask's own, and those of a script of the tests
    text = re.sub(others, "", "".join(PAGES.values()), flags=re.MULTILINE)
    mentioned = {*option.findall(text), *short.findall(text)}

    assert set() == mentioned - set(re.findall(r"(?<![\w-])--?[a-z]+(?:-[a-z]+)*", helped))
    assert {"--seed", "--scale", "-s", "-d"} <= mentioned
