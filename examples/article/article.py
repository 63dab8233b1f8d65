"""Train Dense(1) on noisy inputs: how the slope and the validation loss depend on the noise.

The points are y = 2 x + 1 for x from -10 to 10. `noisify --rng numpy-legacy` first adds the very
numbers of `np.random.seed(42); np.random.normal(0, 1, (100, 1))`, as tutorials do; then one command
makes a sweep of levels of normal, Student's t and Cauchy noise. Validation data stay clean.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import matplotlib.pyplot as plt
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINE = Path(__file__).resolve().parents[2] / "sample_data" / "line.csv"
MODELS = ("normal", "student-t", "cauchy")
VALIDATION = np.linspace(-9.9, 9.9, 100)
PASSES = 10
"""Passes over the points that are called an epoch here: Keras takes long to begin one."""


def main() -> None:
    """Add the noise, train, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--small", action="store_true", help="few levels, one replicate")
    given = parser.parse_args()
    levels = ["1", "4"] if given.small else ["0.5", "1", "2", "4", "8"]
    replicates = 1 if given.small else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        add_the_articles_noise(folder)
        noisify(
            LINE, "-c", "x", "--sweep", f"model={','.join(MODELS)}",
            "--sweep", f"scale={','.join(levels)}", "--replicates", replicates,
            "--seed", 42, "--output-dir", folder, "-q",
        )  # fmt: skip
        with (folder / "index.csv").open(newline="") as rows:
            line = Line()
            trained = [{**row, **line.train(folder / row["file"])} for row in csv.DictReader(rows)]
    watched = next(one for one in trained if (one["model"], one["level"]) == ("normal", "4"))
    for model in MODELS:
        for level in levels:
            found = [one for one in trained if (one["model"], one["level"]) == (model, level)]
            loss, slope = (np.median([one[key] for one in found]) for key in ("loss", "slope"))
            print(f"{model:10} scale {level:>4}: validation loss {loss:8.3f}, slope {slope:.2f}")
    losses = watched["history"]["val_loss"]
    print(
        f"normal at 4: {min(losses):.2f} at epoch {np.argmin(losses)}, {losses[-1]:.2f} at the end"
    )
    print("training loss", *(f"{loss:.2f}" for loss in watched["history"]["loss"][-6:]))
    draw(trained, watched, [float(level) for level in levels], given.picture)


def noisify(*arguments: object) -> None:
    """Run the command."""
    subprocess.run(["noisify", *map(str, arguments)], check=True)  # noqa: S607 - on PATH


def add_the_articles_noise(folder: Path) -> None:
    """Add the noise of `np.random.normal` from the command line, and compare each digit."""
    noisify(LINE, "-o", folder / "article.csv", "-c", "x", "-s", 1, "--seed", 42,
            "--rng", "numpy-legacy", "-q")  # fmt: skip
    x = np.loadtxt(LINE, delimiter=",", skiprows=1)[:, :1]
    np.random.seed(42)  # noqa: NPY002 - as the tutorials have it
    expected = x + np.random.normal(0, 1, (100, 1))  # noqa: NPY002 - likewise
    written = [line.split(",")[0] for line in (folder / "article.csv").read_text().split()[1:]]
    if written != [repr(float(value)) for value in expected[:, 0]]:
        raise SystemExit("the noise is not that of np.random.normal")
    print("x + np.random.normal(0, 1, (100, 1)) under seed 42: the same, digit for digit")


class Line:
    """Dense(1), which starts each training from the same weights."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(1)
        self._model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        optimizer = keras.optimizers.Adam(0.05)
        self._model.compile(optimizer, loss="mse", steps_per_execution=PASSES)
        optimizer.build(self._model.trainable_variables)
        variables = [*self._model.variables, *optimizer.variables]
        self._start = [(variable, variable.numpy()) for variable in variables]

    def train(self, path: Path) -> dict[str, Any]:
        """Train on noisy points until the loss on clean ones has stopped falling."""
        for variable, value in self._start:
            variable.assign(value)
        x, y = np.loadtxt(path, delimiter=",", skiprows=1, unpack=True)
        history = self._model.fit(
            np.tile(x[:, None], (PASSES, 1)), np.tile(y, PASSES), batch_size=len(x), epochs=40,
            validation_data=(VALIDATION[:, None], 2 * VALIDATION + 1), shuffle=False,
            callbacks=[keras.callbacks.EarlyStopping(patience=5)], verbose=0,
        ).history  # fmt: skip
        slope = float(self._model.get_weights()[0][0, 0])
        return {"history": history, "loss": history["val_loss"][-1], "slope": slope}


def draw(
    trained: list[dict[str, Any]], watched: dict[str, Any], levels: list[float], picture: Path
) -> None:
    """Draw the losses of one training, and loss and slope over the level."""
    figure, (epochs, losses, slopes) = plt.subplots(1, 3, figsize=(10, 3.2))
    epochs.set(
        title="Training at a normal scale of 4",
        xlabel="epoch of ten passes",
        ylabel="mean squared error",
    )
    history = watched["history"]
    epochs.semilogy(history["loss"], marker="", label="noisy training data")
    epochs.semilogy(history["val_loss"], marker="", label="clean validation data")
    best = int(np.argmin(history["val_loss"]))
    epochs.axvline(best, color="0.6", linewidth=0.8, zorder=0)
    of_axes = epochs.get_xaxis_transform()
    epochs.text(best, 0.6, f" least at epoch {best}", transform=of_axes)
    epochs.legend()
    for model in MODELS:
        for axes, key in ((losses, "loss"), (slopes, "slope")):
            low, middle, high = spread(trained, model, levels, key)
            (line,) = axes.plot(levels, middle, label=model)
            axes.fill_between(levels, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    losses.set(title="Validation loss: median, least to most", xlabel="scale of the noise",
               xscale="log", yscale="log", xticks=levels, xticklabels=levels)  # fmt: skip
    slopes.set(title="Slope learned; 2 is true\ndotted: 2 var(x) / (var(x) + scale²)",
               xlabel="scale of the noise",
               xscale="log", xticks=levels, xticklabels=levels)  # fmt: skip
    fine = np.geomspace(levels[0], levels[-1])
    variance = np.var(np.linspace(-10, 10, 100))
    slopes.plot(fine, 2 * variance / (variance + fine**2), color="0.3", marker="", linestyle=":")
    for axes in (losses, slopes):
        axes.minorticks_off()
    losses.legend(loc="lower right")
    figure.savefig(picture, metadata={"Software": None})


def spread(
    trained: list[dict[str, Any]], model: str, levels: list[float], key: str
) -> NDArray[np.float64]:
    """Return the least, the median and the most over replicates at each level."""
    found = [
        [one[key] for one in trained if (one["model"], float(one["level"])) == (model, level)]
        for level in levels
    ]
    return np.quantile(found, [0, 0.5, 1], axis=1)


if __name__ == "__main__":
    main()
