"""Add noise to every sample file with the real command, and show a few values before and after."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import wave
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

SAMPLES = Path(__file__).resolve().parent
ROOT = SAMPLES.parent
OUTPUT = "demo_output"
SHOWN = 3
VALUES_SHOWN = 5


@dataclass(frozen=True)
class Example:
    """One run of the command.

    Attributes:
        about: What it shows, in a sentence.
        file: The sample file.
        flags: The flags as a user would type them.
        look_at: The columns of a table or the dataset to show; none for all there is.
    """

    about: str
    file: str
    flags: str
    look_at: tuple[str, ...] = ()


EXAMPLES = (
    Example(
        "A line: exactly what np.random.seed(42); np.random.normal(0, 1, (100, 1)) adds to x.",
        "line.csv",
        "-c x -s 1 --seed 42 --rng numpy-legacy",
    ),
    Example(
        "The same x as a NumPy array: the same numbers.",
        "line.npy",
        "-s 1 --seed 42 --rng numpy-legacy",
    ),
    Example(
        "A table: noise of a tenth of each column's sd; ids, text and gaps stay as they are.",
        "sensors.csv",
        "--sd 0.1sd --decimals keep --seed 42",
    ),
    Example(
        "The same table, typed: now and then a large error; the same noise in CSV and Parquet.",
        "sensors.parquet",
        "-c temperature,humidity -d student-t --df 3 -s 0.1sd --seed 42",
        ("time", "sensor_id", "temperature", "humidity"),
    ),
    Example(
        "Grey images, whole numbers from 0 to 255.",
        "images.npy",
        "-s 8 --clip 0,255 --seed 42",
    ),
    Example(
        "A tone with noise 20 dB below it.",
        "audio.wav",
        "--snr 20 --seed 42",
    ),
    Example(
        "A survey: each flux gets noise of its own error; the rest of the file stays.",
        "survey.h5",
        "-c entry/data/flux -s @entry/data/flux_err --seed 42",
        ("entry/data/flux",),
    ),
)


def main() -> int:
    """Run every example; return the exit status."""
    folder = ROOT / OUTPUT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, example in enumerate(EXAMPLES, 1):
        before = f"sample_data/{example.file}"
        after = f"{OUTPUT}/{example.file}"
        print(f"{number}. {example.about}\n")
        print(f"   $ noisify {before} -o {after} {example.flags}", flush=True)
        status = noisify(before, "-o", after, *shlex.split(example.flags))
        if status:
            print(f"demo: the command above failed with status {status}", file=sys.stderr)
            return status
        for title, path in (("before", before), ("after", after)):
            print(f"   {title}")
            for line in first_values(ROOT / path, example.look_at):
                print(f"     {line}")
        print()
    print(f"The noisy files are in {OUTPUT}/; each command gives the same file again.")
    return 0


def noisify(*arguments: str) -> int:
    """Run the command at the checkout's root and return its exit status."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NOISIFY_")}
    command = [sys.executable, "-m", "noisify", *arguments, "-q"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603


def first_values(path: Path, look_at: tuple[str, ...]) -> list[str]:
    """Return lines that show the start of a file."""
    match path.suffix:
        case ".csv":
            with path.open(encoding="utf-8") as file:
                return [line.rstrip("\n") for line in islice(file, SHOWN + 1)]
        case ".parquet":
            rows = pd.read_parquet(path, columns=list(look_at)).head(SHOWN)
            return str(rows.to_string(index=False)).splitlines()
        case ".npy":
            return [described(np.load(path))]
        case ".wav":
            with wave.open(str(path)) as file:
                return [described(np.frombuffer(file.readframes(VALUES_SHOWN), "<i2"))]
        case ".h5":
            with h5py.File(path) as file:
                return [described(file[dataset][...], dataset) for dataset in look_at]
        case suffix:
            raise ValueError(f"the demo cannot show {suffix} files")


def described(values: np.ndarray, name: str = "") -> str:
    """Return an array's type, shape and first values in a line."""
    first = ", ".join(str(value) for value in values.reshape(-1)[:VALUES_SHOWN])
    about = f"{values.dtype} {values.shape}"
    return f"{name} {about}: {first}, …" if name else f"{about}: {first}, …"


if __name__ == "__main__":
    sys.exit(main())
