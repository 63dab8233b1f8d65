"""The Makefile, the pipeline and the GitHub Action of examples/ run."""

import csv
import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from page_examples import copy_samples

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
SAMPLES = ROOT / "sample_data"
ACTION = yaml.safe_load((EXAMPLES / "github-action" / "noise.yml").read_text(encoding="utf-8"))
JOB = ACTION["jobs"]["noise"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(tool) is None for tool in ("make", "bash", "gzip", "zcat")),
        reason="needs make, bash, gzip and zcat",
    ),
]


def shell(command, folder, environment):
    """Run a shell command; return the result."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],  # noqa: S607 - found on PATH
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


class TestMake:
    @pytest.fixture
    def built(self, tmp_path):
        """A copy of the example, not of what a user has made by it, and of the sample data."""
        (tmp_path / "make").mkdir()
        for name in ("Makefile", "noise.toml"):
            shutil.copy(EXAMPLES / "make" / name, tmp_path / "make")
        copy_samples(tmp_path).rename(tmp_path / "clean")
        return tmp_path / "make"

    def make(self, folder, environment, *arguments):
        command = " ".join(["make CLEAN=../clean LEVELS=5", *arguments])
        return shell(command, folder, environment)

    def test_makes_what_it_says_and_only_what_has_changed(self, built, environment):
        done = self.make(built, environment, "-j4 all")
        assert done.returncode == 0, done.stderr

        assert self.make(built, environment, "-q all").returncode == 0, "made again"
        lines = (built / "sweep" / "index.csv").read_text().splitlines()
        assert len(lines) == 1 + 6
        assert "identical to the byte: time" in (built / "checked").read_text()
        both = "noisify ../clean/line.csv ../clean/sensors.csv --recipe noise.toml --seed 42"
        assert shell(f"{both} --output-dir both -q", built, environment).returncode == 0
        for name in ("line.csv", "sensors.csv"):
            made = built / "noisy" / name
            assert made.read_bytes() == (built / "both" / name).read_bytes()

        later = (built / "checked").stat().st_mtime + 10
        os.utime(built / "noise.toml", (later, later))
        again = self.make(built, environment, "-n all").stdout
        assert set(re.findall(r"-o (\S+)", again)) == {
            *("noisy/line.csv", "noisy/sensors.csv"),
            *("parquet/line.parquet", "parquet/sensors.parquet"),
        }


def test_the_pipeline_prints_a_mean_for_each_level(tmp_path, environment):
    script = EXAMPLES / "shell" / "pipeline.sh"
    shell(f"gzip -c '{SAMPLES}/sensors.csv' > sensors.csv.gz", tmp_path, environment)

    done = shell(f"bash '{script}' sensors.csv.gz temperature 1% 25%", tmp_path, environment)

    assert (done.returncode, done.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["level"] for row in rows] == ["0%", "1%", "25%"]
    clean, little, much = (float(row["mean"]) for row in rows)
    assert 0 < abs(little - clean) < 0.1  # standard error 0.01
    assert 0 < abs(much - clean) < 1


class TestAction:
    def test_is_a_workflow(self):
        assert {"name", True, "permissions", "jobs"} == set(ACTION)  # YAML 1.1 reads `on` as true
        assert {"push", "pull_request"} == set(ACTION[True])
        assert JOB["runs-on"] == "ubuntu-latest"
        assert all(("uses" in step) != ("run" in step) for step in JOB["steps"])

    def test_uses_the_versions_that_the_project_uses(self):
        ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
        shared = ("actions/checkout", "actions/setup-python")
        used = [step["uses"] for step in JOB["steps"] if step.get("uses", "").startswith(shared)]

        assert 2 == len(used)
        assert [] == [action for action in used if action not in ci]

    def test_runs(self, tmp_path, environment):
        level = JOB["strategy"]["matrix"]["level"][-1]
        (tmp_path / "data").mkdir()
        shutil.copy(SAMPLES / "sensors.csv", tmp_path / "data")
        shutil.copy(EXAMPLES / "github-action" / "mean.py", tmp_path)
        steps = [step["run"] for step in JOB["steps"] if "run" in step]
        install, *steps = [step.replace("${{ matrix.level }}", level) for step in steps]
        assert install == "python -m pip install 'noisify-cli[plots]'"
        for step in steps:
            assert "${{" not in step
            done = shell(step, tmp_path, environment)
            assert done.returncode == 0, done.stdout + done.stderr
        assert "</html>" in (tmp_path / "noise.html").read_text(encoding="utf-8")

    def test_fails_where_the_program_does(self, tmp_path, environment):
        (tmp_path / "noisy.csv").write_text("temperature\n30.5\n")
        shutil.copy(EXAMPLES / "github-action" / "mean.py", tmp_path)
        step = next(step["run"] for step in JOB["steps"] if "mean.py" in step.get("run", ""))

        assert shell(step, tmp_path, environment).returncode == 1
