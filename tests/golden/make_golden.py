"""Write the golden files: what the command makes of table.csv with each model and seed 42.

Run it only when noise has to change, and look at each difference: what it writes is a promise to
all who repeat a run, on any machine, with any version of NumPy.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
TABLE = FOLDER / "table.csv"

CASES = {
    "normal": "-c x -s 0.1",
    "normal-of-times": "-c time -d normal -s 90s",
    "normal-of-integers": "-c count -d normal -s 3",
    "uniform": "-c x -s 0.1",
    "laplace": "-c x -s 0.1",
    "cauchy": "-c x -s 0.1",
    "student-t": "-c x -s 0.1",
    "student-t-of-one-half": "-c x -d student-t -s 0.1 -p df=0.5",
    "logistic": "-c x -s 0.1",
    "gumbel": "-c x -s 0.1",
    "exponential": "-c x -s 0.1",
    "gamma": "-c x -s 0.1",
    "gamma-of-one-third": "-c x -d gamma -s 0.1 -p shape=0.33",
    "lognormal": "-c x -s 0.1",
    "triangular": "-c x -s 0.1",
    "truncated-normal": "-c x -s 0.1",
    "multiplicative": "-c x -s 5%",
    "multiplicative-uniform": "-c x -d multiplicative -s 5% -p dist=uniform",
    "rounding": "-c x -p step=0.3",
    "bias": "-c x -s 0.1",
    "bias-by-device": "-c x -d bias -s 0.1 -p by=device",
    "poisson": "-c x,count -p count=10",
    "binomial": "-c count -p keep=70%",
    "salt-and-pepper": "-c x --rate 40%",
    "impulse": "-c x --rate 40%",
    "impulse-of-integers": "-c count -d impulse --rate 60% -p low=-9000000000000000000",
    "outlier": "-c x --rate 40% -p low=1 -p high=5 -p spread=2",
    "spike": "-c x -s 3 --rate 40%",
    "stuck": "-c x --rate 60% -p run=3",
    "dropout": "-c x --rate 40%",
    "bit-flip": "-c count --rate 60% -p bits=2 -p highest=15",
    "scale-by": "-c x --rate 60%",
    "laplace-mechanism": "-c x -p epsilon=2 -p sensitivity=1",
    "gaussian-mechanism": "-c x -p epsilon=2 -p sensitivity=1",
    "ar1": "-c x -s 0.1 -p rho=0.95",
    "random-walk": "-c x -s 0.1",
    "colored": "-c x -s 0.1 -p exponent=1.5",
    "pink": "-c x -s 0.1",
    "brown": "-c x -s 0.1",
    "blue": "-c x -s 0.1",
    "violet": "-c x -s 0.1",
    "drift": "-c x -s 1",
    "timing-jitter": "-c x -s 0.4",
    "correlated": "-c x,y -p share=0.1",
    "missing": "-c x,name --rate 40%",
    "missing-in-bursts": "-c x -d missing --rate 40% -p burst=3",
    "missing-large-values": "-c x -d missing --rate 40% -p mechanism=mnar",
    "label-flip": "-c species --rate 40%",
    "label-flip-by-a-matrix": "-c species -d label-flip -p matrix=setosa>virginica=0.7",
    "category-swap": "-c species --rate 60%",
    "shuffle": "-c x --rate 60% -p window=8",
    "typo": "-c name --rate 80%",
    "ocr": "-c name --rate 80%",
    "case": "-c name --rate 80%",
    "whitespace": "-c name --rate 80%",
    "truncate": "-c name --rate 80%",
    "mojibake": "-c name --rate 80%",
    "day-month-swap": "-c time --rate 80%",
    "drop-rows": "--rate 40%",
    "duplicate-rows": "--rate 40%",
    "swap-fields": "-c x,y --rate 40%",
}
"""The options of each case; a case whose options name no model is that model's."""


def arguments(case: str) -> list[str]:
    """Return the command's arguments but the input."""
    options = CASES[case].split()
    model = [] if "-d" in options else ["-d", case]
    return [*model, *options, "--seed", "42", "-q"]


def main() -> None:
    """Write every golden file."""
    for case in CASES:
        command = [sys.executable, "-m", "noisify", str(TABLE), *arguments(case)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        (FOLDER / f"{case}.csv").write_bytes(done.stdout)


if __name__ == "__main__":
    main()
