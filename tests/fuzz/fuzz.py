"""Fuzz the readers, one after another: `python tests/fuzz/fuzz.py --seconds 3600`.

Each target has a process of its own, in which atheris tries inputs by what code they reach. An
input that breaks the promise is kept in build/fuzz/found, one for each place in the code; the
process goes on. One that ends the process, or hangs in it, is kept as well, and a new process
starts. The inputs that reach something new are kept in build/fuzz/corpus for the next time.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import resource
import sys
import time
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TESTS = HERE.parent
sys.path[:0] = [str(path) for path in (ROOT, HERE, TESTS / "helpers", TESTS / "trust")]

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz_targets import Target

WORK = Path(os.environ.get("NOISIFY_FUZZ", ROOT / "build" / "fuzz"))
FOUND = WORK / "found"
HANGS = 30
"""Seconds after which an input hangs, on a machine that does other work too."""
MEMORY = 3000
"""MiB that a process may take."""
MOST_ENDS = 20
"""How many processes of one target may be ended by their inputs."""


def main() -> int:
    """Fuzz each target for its share of the time; return 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=3600, help="for all targets together")
    parser.add_argument(
        "--runs", type=int, help="inputs for each target, the same ones each time, if that is less"
    )
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    try:
        import atheris  # noqa: PLC0415 - it has no wheel for each Python
    except ImportError:
        version = ".".join(map(str, sys.version_info[:2]))
        sys.stdout.write(
            f"fuzz: skipped: atheris is not installed (it has wheels for Linux on x86_64 only; "
            f"this is Python {version} on {sys.platform})\n"
        )
        return 0
    with (
        redirect_stderr(io.StringIO()),  # a line for each module
        atheris.instrument_imports(include=["noisify"], enable_loader_override=False),
    ):
        from fault_server import imported  # noqa: PLC0415 - while imports are instrumented
        from fuzz_targets import TARGETS  # noqa: PLC0415 - likewise

        imported()
    targets = [target for target in TARGETS if target.name in (options.targets or [target.name])]
    FOUND.mkdir(parents=True, exist_ok=True)
    before, start = set(FOUND.iterdir()), time.monotonic()
    for number, target in enumerate(targets):
        left = options.seconds - (time.monotonic() - start)
        _run(target, left / (len(targets) - number), options.runs)
    found = sorted(path.name for path in set(FOUND.iterdir()) - before if path.suffix != ".txt")
    sys.stdout.write(f"fuzz: {len(found)} found, in {FOUND}\n" + "".join(f"{n}\n" for n in found))
    return 1 if found else 0


def _run(target: Target, seconds: float, runs: int | None) -> None:
    """Fuzz a target in processes of its own until its time is over; print what was done."""
    corpus = WORK / "corpus" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    start, cpu = time.monotonic(), _cpu()
    done: dict[str, int] = {"ends": 0, "tried": 0, "edges": 0, "features": 0, "corpus": 0}
    while (left := seconds - (time.monotonic() - start)) >= 1 and done["ends"] < MOST_ENDS:
        log = WORK / f"{target.name}.log"
        sys.stdout.flush()
        if not (child := os.fork()):
            _fuzz(target, corpus, left, runs, log)
        _, status = os.waitpid(child, 0)
        _add(done, log.read_text(errors="replace"))
        if status == 0:
            break
        done["ends"] += 1
        log.rename(log.with_suffix(f".{done['ends']}.log"))
    took = {"seconds": round(time.monotonic() - start), "cpu": round(_cpu() - cpu)}
    line = json.dumps({"target": target.name, **took, **done})
    sys.stdout.write(line + "\n")
    with (WORK / "done.jsonl").open("a") as file:
        file.write(line + "\n")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _add(done: dict[str, int], log: str) -> None:
    """Add what a process's log tells."""
    lines = re.findall(r"^#(\d+)\s.* cov: (\d+) ft: (\d+) corp: (\d+)", log, re.MULTILINE)
    if lines:
        tried, edges, features, corpus = map(int, lines[-1])
        done["tried"] += tried
        done["edges"] = max(done["edges"], edges)
        done["features"] = max(done["features"], features)
        done["corpus"] = max(done["corpus"], corpus)


# In the process of one target


def _fuzz(target: Target, corpus: Path, seconds: float, runs: int | None, log: Path) -> NoReturn:
    """Fuzz a target in this process, and end it."""
    import atheris  # noqa: PLC0415 - it has no wheel for each Python
    from fuzz_targets import place  # noqa: PLC0415 - it is instrumented

    with log.open("wb") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    words = WORK / f"{target.name}.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    flags = [
        f"-dict={words}", f"-max_len={target.longest}", f"-max_total_time={int(seconds)}",
        f"-timeout={HANGS}", f"-report_slow_units={HANGS}", f"-rss_limit_mb={MEMORY}",
        f"-artifact_prefix={FOUND}/{target.name}-",
        *([] if runs is None else [f"-runs={runs}", "-seed=1"]),
        str(corpus), str(HERE / "corpus" / target.name),
    ]  # fmt: skip
    keep = _Found(target.name)
    with place() as where:

        def try_one(data: bytes) -> None:
            if wrong := target.check(data, where):
                keep(data, wrong)

        def change(data: bytes, longest: int, seed: int) -> bytes:
            changed: bytes = atheris.Mutate(data, longest)
            repaired = target.repair(changed) if seed % 2 else changed
            return repaired if len(repaired) <= longest else changed

        atheris.Setup([sys.argv[0], *flags], try_one, custom_mutator=change)
        atheris.Fuzz()
    os._exit(0)


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


class _Found:
    """Keeps one input for each place in the code that breaks the promise.

    Args:
        target: The target's name.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._known: set[str] = set()

    def __call__(self, data: bytes, wrong: Sequence[str]) -> None:
        mark = _mark(wrong)
        if mark in self._known:
            return
        self._known.add(mark)
        path = FOUND / f"{self._target}-{mark}"
        if not path.exists():
            path.write_bytes(data)
            path.with_name(f"{path.name}.txt").write_text("\n".join(wrong), errors="replace")


def _mark(wrong: Sequence[Any]) -> str:
    """Return what tells faults apart: the last line of noisify in a traceback, or the message."""
    text = "\n".join(wrong)
    places = re.findall(r"noisify/(\w+)/([\w/]+)\.py\", line (\d+)", text)
    if places:
        return "-".join(places[-1]).replace("/", "-")
    plain = re.sub(r"^\[.*?\]: ", "", wrong[0])
    plain += next((line for line in text.splitlines() if line.startswith("noisify:")), "")
    return re.sub(r"[^A-Za-z]+", "-", plain)[:70].strip("-")


if __name__ == "__main__":
    sys.exit(main())
