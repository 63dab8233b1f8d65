"""Record what many commands write, say and return, and compare two such records.

    python tests/record.py OUT.json [--only REGEX] [--corpora FOLDER]
    python tests/record.py --compare BEFORE.json AFTER.json

Run the first once before a change that must not alter behaviour and once after it, each with the
`noisify` that is on `PYTHONPATH`. Commands cover every model and option, every format of the sample
data and, with `--corpora`, the files of parquet-testing and csv-spectrum. One process imports
everything and forks for each command, so that 1,300 of them take about three minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).parents[1] / "sample_data"
SECONDS = 60
"""How long one command may take."""
CRASHED = 99
"""The status of a command that ended in a traceback."""
TIMES = ("seconds", "started", "elapsed", "duration")
"""Entries of a report that differ from run to run."""

FILES = (
    "sensors.csv",
    "sensors.parquet",
    "survey.h5",
    "images.npy",
    "audio.npy",
    "audio.wav",
    "line.csv",
    "line.npy",
)
MODEL_FIELDS = (
    ("sensors.csv", "-c temperature,humidity"),
    ("sensors.csv", "-c note,status"),
    ("sensors.parquet", "-c temperature,humidity"),
    ("sensors.parquet", "-c status"),
    ("survey.h5", ""),
    ("images.npy", ""),
    ("audio.wav", ""),
    ("line.npy", ""),
)
REQUIRED = {
    "laplace-mechanism": "-p epsilon=1 -p sensitivity=2",
    "gaussian-mechanism": "-p epsilon=1 -p delta=0.01 -p sensitivity=2",
    "poisson": "-p count=10",
}
"""What a model does not run without."""
OPTIONS = """
-s 0.1
-s 5%
-s 0.1sd
-s 0.2iqr
-s 1%range
--snr 20
--sd 0.3
-s 1 --decimals 2
-s 1 --decimals keep
-s 1 --clip 0,50
-s 1 --mask m.csv
-s 1 --mask m --mask-values
-s 1 --report r.json
-n -s 1
-d missing --rate 5%
--sweep scale=0.1,1 --output-dir out
--replicates 3 --output-dir out
--rng numpy
--rng numpy-legacy -s 1
-q
-v
-j 1 --chunk-size 1k
-c '*'
-c :number
-c nosuch
-c /^t/
--exclude temperature
--noise '*=normal:1'
--noise 'temperature=uniform:2%' --noise 'humidity=missing:10%'
--where 'temperature > 21'
--where 'count == 15 and status == "ok"'
--strict
-c time -s 90s
-c count -s 3
-d laplace -s 2 --sd 3
--to parquet
--to csv
--to npz
--recipe in/recipe.toml
--preset sensor:3
--list-models
--version
--no-header
--na low
--limit 3
--append
--no-clobber
""".strip().splitlines()
SUFFIXES = (
    *(".csv", ".parquet", ".npy", ".npz", ".h5", ".arrow", ".wav", ".png"),
    *(".csv.gz", ".tsv", ".zzz"),
)


def commands(corpora: Path | None) -> Iterator[str]:
    """Yield the arguments of each command; `in/` holds the sample data."""
    registry = importlib.import_module("noisify.noise.registry")
    for model in (entry.name for entry in registry.MODELS):
        for name, fields in MODEL_FIELDS:
            yield (
                f"in/{name} {fields} -d {model} {REQUIRED.get(model, '')} --seed 5"
                f" -o out{Path(name).suffix}"
            )
        yield f"in/sensors.csv -c temperature -d {model} -s 1 --seed 5 -o out.csv"
        hit = f"-d {model} --rate 20% --report r.json"
        yield f"in/sensors.csv -c temperature {hit} --seed 5 -o out.csv"
        yield f"--explain {model}"
    for name in FILES:
        suffix = Path(name).suffix
        for option in OPTIONS:
            output = "" if "--output-dir" in option else f"-o out{suffix}"
            yield f"in/{name} --seed 9 {option} {output}"
        for suffix in SUFFIXES:
            yield f"in/{name} --seed 9 -s 0.1 -o out{suffix}"
        yield f"in/{name} --seed 9 -s 0.1"
    if corpora is not None:
        yield from _corpus_commands(corpora)


def _corpus_commands(corpora: Path) -> Iterator[str]:
    for path in sorted((corpora / "csv-spectrum" / "csvs").glob("*")):
        yield f"{path} -c '*' -s 0"
        yield f"{path} -s 1 --seed 1 -o o.csv"
        yield f"{path} -c '*' -d typo --rate 50% --seed 1 -o o.csv"
    for folder in ("data", "bad_data"):
        for path in sorted((corpora / "parquet-testing" / folder).rglob("*.parquet")):
            yield f"{path} -c '*' -s 0 -o o.parquet"
            yield f"{path} -s 1 --seed 1 -c :number -o o.parquet --report r.json"
            yield f"{path} -s 1 --seed 1 -c :number -o o.csv"


def record(corpora: Path | None, only: re.Pattern[str]) -> dict[str, Any]:
    """Run the commands and return what came of each: status, standard error and files."""
    for module in ("numpy", "pyarrow", "pyarrow.parquet", "pyarrow.compute", "h5py", "noisify.api"):
        importlib.import_module(module)
    print(sys.modules["noisify"].__file__)
    results = {}
    with tempfile.TemporaryDirectory() as root:
        for line in dict.fromkeys(commands(corpora)):
            if only.search(line):
                work = Path(root) / "work"
                (work / "in").mkdir(parents=True)
                for path in SAMPLES.iterdir():
                    if path.is_file() and path.suffix != ".py":
                        shutil.copy(path, work / "in" / path.name)
                results[line] = _result(line, work)
                shutil.rmtree(work)
    return results


def _result(line: str, work: Path) -> dict[str, Any]:
    """Run one command in a process of its own."""
    child = os.fork()
    if child == 0:
        _become(shlex.split(line), work)
    status = _wait(child)
    told = (work / ".err").read_bytes().decode(errors="replace")
    files = {
        str(path.relative_to(work)): _digest(path)
        for path in sorted(work.rglob("*"))
        if path.is_file() and path.name != ".err" and path.relative_to(work).parts[0] != "in"
    }
    return {"status": status, "err": told, "files": files}


def _become(arguments: list[str], work: Path) -> None:
    """Be the command, in a forked process."""
    os.chdir(work)
    for number, name, mode in ((0, os.devnull, "r"), (1, ".out", "w"), (2, ".err", "w")):
        stream = open(name, mode)  # noqa: PTH123, SIM115 - it has to outlive this function
        os.dup2(stream.fileno(), number)
    sys.argv = ["noisify", *arguments]
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    status = 0
    try:
        importlib.import_module("noisify.cli").main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - a traceback is a result too
        traceback.print_exc()
        status = CRASHED
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _wait(child: int) -> int:
    """Return a process's status; kill it after `SECONDS`."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.003)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def _digest(path: Path) -> str:
    """Return a digest of a file's bytes, but for the times in a report, and their number."""
    content = path.read_bytes()
    if path.suffix == ".json":
        with contextlib.suppress(ValueError, AttributeError):
            report = json.loads(content)
            for key in TIMES:
                report.pop(key, None)
            content = json.dumps(report, sort_keys=True).encode()
    return f"{hashlib.sha256(content).hexdigest()[:16]}:{len(content)}"


def compare(before: dict[str, Any], after: dict[str, Any]) -> int:
    """Print the commands whose results differ, and return how many do."""
    differing = 0
    for line in after.keys() & before.keys():
        old, new = _settled(line, before[line]), _settled(line, after[line])
        if old != new:
            differing += 1
            print(line)
            for key in old:
                if old[key] != new[key]:
                    print(f"  {key}\n    - {old[key]!s:.400}\n    + {new[key]!s:.400}")
    print(f"{len(after.keys() & before.keys())} commands in both, {differing} differ")
    return differing


def _settled(line: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what differs from run to run: drawn seeds and their noise."""
    told = re.sub(r"seed \d{8,}", "seed N", result["err"])
    told = re.sub(r"(/\S*/noisify/[^ ,:']*|line \d+)", "PLACE", told)
    drawn = "seed N" in told and " -s 0 " not in f"{line} "
    return {"status": result["status"], "err": told, "files": {} if drawn else result["files"]}


def main() -> None:
    """Record or compare, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("record", type=Path, nargs="+", help="OUT.json; or BEFORE.json AFTER.json")
    parser.add_argument("--compare", action="store_true", help="compare two records")
    parser.add_argument("--only", type=re.compile, default="", help="commands that match")
    parser.add_argument("--corpora", type=Path, help="a folder with parquet-testing, csv-spectrum")
    options = parser.parse_args()
    if options.compare:
        before, after = (json.loads(path.read_bytes()) for path in options.record)
        sys.exit(compare(before, after) > 0)
    results = record(options.corpora, re.compile(options.only))
    options.record[0].write_text(json.dumps(results, indent=1))
    print(f"{len(results)} commands")


if __name__ == "__main__":
    main()
