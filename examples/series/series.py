"""Three faults of a thermometer: what each does to a forecast and to the count of hot hours.

A month of hourly temperatures gets drift, a random walk, or a sensor that is stuck now and then.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

HOURS, DAY, HOT = 24 * 28, 24, 23.0
FAULTS = {
    "drift": "t=drift:3",
    "random walk": "t=random-walk:0.1",
    "stuck": "t=stuck:15%,run=12",
}


def main() -> None:
    """Write the series, add each fault, measure, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--small", action="store_true", help="makes no difference: it is small")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        clean = Path(name) / "clean.csv"
        write(clean)
        series = {"clean": read(clean)}
        for fault, spec in FAULTS.items():
            output = clean.with_name(f"{fault}.csv")
            subprocess.run(
                ["noisify", str(clean), "-o", str(output), "--noise", spec, "--seed", "42", "-q"],  # noqa: S607 - on PATH
                check=True,
            )
            series[fault] = read(output)
    print("             forecast error   hot hours   error of the last day's mean   longest run")
    for name, values in series.items():
        last = values[-DAY:].mean() - series["clean"][-DAY:].mean()
        print(f"{name:12} {forecast_error(values):14.2f} {np.sum(values > HOT):11} {last:30.2f} "
              f"{longest_run(values):13}")  # fmt: skip
    draw(series, given.picture)


def write(path: Path) -> None:
    """Write a month of hourly temperatures: days, weather, and an instrument's small error."""
    generator = np.random.default_rng(0)
    hours = np.arange(HOURS)
    weather = np.repeat(generator.normal(0, 1.5, HOURS // DAY), DAY)
    weather = np.convolve(np.pad(weather, DAY, "edge"), np.ones(2 * DAY) / DAY / 2, "same")
    values = 18 + 5 * np.sin(2 * np.pi * (hours - 9) / DAY) + weather[DAY:-DAY]
    values += generator.normal(0, 0.2, HOURS)
    rows = [f"{hour},{value:.2f}\n" for hour, value in zip(hours, values, strict=True)]
    path.write_text("hour,t\n" + "".join(rows))


def read(path: Path) -> np.ndarray:
    """Return the temperatures of a file."""
    with path.open(newline="") as rows:
        return np.array([float(row["t"]) for row in csv.DictReader(rows)])


def forecast_error(values: np.ndarray) -> float:
    """Return the mean absolute error of the forecast that it will be as warm as yesterday."""
    return float(np.mean(np.abs(values[DAY:] - values[:-DAY])))


def longest_run(values: np.ndarray) -> int:
    """Return the most hours in a row without any change."""
    changes = np.flatnonzero(np.diff(values, prepend=np.nan, append=np.nan) != 0)
    return int(np.diff(changes).max())


def draw(series: dict[str, np.ndarray], picture: Path) -> None:
    """Draw each fault over the clean series."""
    figure, panels = plt.subplots(3, 1, figsize=(10, 4.6), sharex=True, sharey=True)
    days = np.arange(HOURS) / DAY
    for axes, (name, values) in zip(panels, list(series.items())[1:], strict=True):
        axes.axhline(HOT, color="0.7", linewidth=0.8, linestyle=":")
        axes.plot(days, series["clean"], color="0.6", marker="", linewidth=0.9, label="clean")
        axes.plot(
            days, values, color="#0072b2", marker="", linestyle="-", linewidth=0.9, label=name
        )
        axes.set(title=f"{name}: {FAULTS[name]}", ylabel="°C", xlim=(0, HOURS / DAY))
        axes.legend(loc="upper left", ncols=2)
    panels[-1].set_xlabel("day")
    figure.savefig(picture)
    Image.open(picture).quantize(32).save(picture, optimize=True)


if __name__ == "__main__":
    main()
