"""The examples for Spark, Ray Data, Snakemake and polars run, and give the command's noise.

`make engines` installs the engines in an environment of their own, and runs this with its Python as
ENGINES_PYTHON. What is not there is skipped.
"""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from page_examples import PAGES
from run_command import run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "engines"
PYTHON = os.environ.get("ENGINES_PYTHON", sys.executable)
NOISE = ("-c", "x,y", "-s", "0.5", "--seed", "42")
PARTITIONS = (1, 3, 8)
# Not packed: Spark's library for Snappy takes some machines' C library for another one.
SPARK_OPTIONS = "--conf spark.sql.parquet.compression.codec=uncompressed pyspark-shell"
EACH = "import runpy, sys\nfor sys.argv in {}: runpy.run_path(sys.argv[0], run_name='__main__')"


@pytest.fixture
def variables(environment, tmp_path):
    """An environment for an engine: this checkout, and nothing that leaves this machine."""
    return {
        **environment,
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": PYTHON,
        "PYSPARK_SUBMIT_ARGS": SPARK_OPTIONS,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "HOME": str(tmp_path),
    }


@pytest.fixture
def table(tmp_path):
    """A table in row groups, whose keys are in no order."""
    rng = np.random.default_rng(1)
    columns = {"id": rng.permutation(300), "x": rng.normal(size=300), "y": rng.normal(size=300)}
    path = tmp_path / "table.parquet"
    data = pa.table({**columns, "name": ["a", "b", None] * 100})
    pq.write_table(data, path, row_group_size=70, compression="none")
    return path


def engine(variables, folder, *words):
    """Run the engines' Python."""
    done = subprocess.run(
        [PYTHON, *words],
        cwd=folder, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    return done.stdout


def needs(variables, folder, *modules):
    """Skip unless the engines' Python has some modules."""
    script = "import sys, importlib.util as u\nprint([bool(u.find_spec(m)) for m in sys.argv[1:]])"
    if "False" in engine(variables, folder, "-c", script, *modules):
        pytest.skip(f"{modules[0]} is not installed: run `make engines`")


def by_id(path):
    """Return the rows of a Parquet file or folder, sorted by their keys."""
    return pq.read_table(path).sort_by("id").to_pydict()


def plain(table, *options):
    """Return the rows of a run of the command, sorted by their keys."""
    target = table.with_name("plain.parquet")
    assert 0 == run(table, "-o", target, *NOISE, *options).status
    return by_id(target)


@pytest.mark.parametrize(
    ("module", "script", "options"),
    [("pyspark", "spark.py", ()), ("ray", "ray_data.py", ("--key", "id"))],
)
def test_rows_have_the_commands_noise_in_any_number_of_partitions(
    tmp_path, table, variables, module, script, options
):
    needs(variables, tmp_path, module)
    if module == "pyspark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    calls = [
        [str(EXAMPLES / script), str(table), str(tmp_path / f"in-{count}"), str(count)]
        for count in PARTITIONS
    ]

    engine(variables, tmp_path, "-c", EACH.format(json.dumps(calls)))

    expected = plain(table, *options)
    for count in PARTITIONS:
        assert expected == by_id(tmp_path / f"in-{count}")
        assert count == len(list((tmp_path / f"in-{count}").glob("*.parquet")))


def test_batches_of_polars_have_the_commands_noise(tmp_path, table, variables):
    needs(variables, tmp_path, "polars")
    target = tmp_path / "noisy.parquet"

    engine(variables, tmp_path, EXAMPLES / "polars_batches.py", table, target)

    assert plain(table) == by_id(target)


@pytest.mark.parametrize("shards", PARTITIONS)
def test_snakemake_makes_the_bytes_of_plain_runs(tmp_path, table, variables, shards):
    needs(variables, tmp_path, "snakemake")
    (tmp_path / "days").mkdir()
    large, days = tmp_path / "large.csv", [tmp_path / "days" / f"{day}.csv" for day in "ab"]
    for path in (large, *days):
        assert 0 == run(table, "-o", path, "-s", "0", "--seed", "1").status

    engine(
        variables, tmp_path, "-m", "snakemake", "--cores", "2", "--quiet", "all",
        "--snakefile", EXAMPLES / "Snakefile", "--config", f"shards={shards}",
    )  # fmt: skip

    assert 0 == run(large, "-o", tmp_path / "plain.csv", *NOISE).status
    assert 0 == run(*days, "--output-dir", tmp_path / "plain", *NOISE).status
    noisy = tmp_path / "noisy"
    assert (tmp_path / "plain.csv").read_bytes() == (noisy / "large.csv").read_bytes()
    for day in days:
        assert (tmp_path / "plain" / day.name).read_bytes() == (
            noisy / "days" / day.name
        ).read_bytes()
    assert {"large.csv", "days"} == {path.name for path in noisy.iterdir()}


def test_the_page_shows_the_examples():
    files = [path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")]
    excerpts = [
        textwrap.dedent(block).strip("\n")
        for block in PAGES["docs/engines.md"].split("\n\n")
        if block.startswith("    def ")
    ]

    assert 3 == len(excerpts)
    for excerpt in excerpts:
        assert any(excerpt in file for file in files)
