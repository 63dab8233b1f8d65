"""Classify scikit-learn's digits: accuracy over the severity of four kinds of noise.

Gaussian, salt-and-pepper and shot noise are in the test images, of a classifier that has learned
from clean ones. Label noise is in the labels that it learns from, and the test is clean.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from noisify import add_noise, models

IMAGES = {
    "gaussian": [models.Normal(scale=scale) for scale in (0.1, 0.2, 0.3, 0.4, 0.5)],
    "salt and pepper": [models.SaltAndPepper(rate=rate) for rate in (0.05, 0.1, 0.2, 0.3, 0.4)],
    "shot": [models.Poisson(count=count) for count in (30, 10, 5, 3, 1)],
}
LABELS = [models.LabelFlip(rate=rate) for rate in (0.1, 0.2, 0.3, 0.4, 0.5)]


def main() -> None:
    """Measure, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--small", action="store_true", help="one replicate")
    given = parser.parse_args()
    replicates = range(1 if given.small else 10)
    digits = load_digits()
    images, labels = digits.images / 16, digits.target
    train, test, train_labels, test_labels = train_test_split(
        images, labels, test_size=0.5, random_state=0
    )
    clean = SVC().fit(flat(train), train_labels)
    baseline = clean.score(flat(test), test_labels)
    accuracy = {
        kind: [
            [
                clean.score(flat(noisy(test, model, replicate)), test_labels)
                for replicate in replicates
            ]
            for model in levels
        ]
        for kind, levels in IMAGES.items()
    }
    accuracy["labels"] = [
        [
            SVC()
            .fit(flat(train), add_noise(train_labels, model, seed=42, replicate=replicate))
            .score(flat(test), test_labels)
            for replicate in replicates
        ]
        for model in LABELS
    ]
    print(f"without noise: {baseline:.1%}")
    for kind, found in accuracy.items():
        print(f"{kind:16}", *(f"{np.mean(one):.1%}" for one in found))
    draw(test[0], baseline, accuracy, given.picture)


def flat(images: np.ndarray) -> np.ndarray:
    """Return images as rows."""
    return images.reshape(len(images), -1)


def noisy(images: np.ndarray, model: models.ModelSpec, replicate: int) -> np.ndarray:
    """Return images with noise, in the range that they had."""
    return add_noise(images, model, clip=(0, 1), seed=42, replicate=replicate)


def draw(
    image: np.ndarray, baseline: float, accuracy: dict[str, list[list[float]]], picture: Path
) -> None:
    """Draw one image at each severity, and the accuracy over the severity."""
    figure = plt.figure(figsize=(10, 3.4))
    left, right = figure.subfigures(1, 2, width_ratios=[1.1, 1])
    panels = left.subplots(3, 6)
    for row, (kind, levels) in zip(panels, IMAGES.items(), strict=True):
        shown = [image, *(noisy(image, model, 0) for model in levels)]
        for severity, (axes, one) in enumerate(zip(row, shown, strict=True)):
            axes.imshow(one, vmin=0, vmax=1, cmap="gray_r")
            axes.set(xticks=[], yticks=[])
            if kind == "gaussian":
                axes.set_title(f"severity {severity}" if severity else "clean")
        row[0].set_ylabel(kind)
    axes = right.subplots()
    axes.set(title="Accuracy; mean, and least to most of the replicates", xlabel="severity")
    for kind, found in accuracy.items():
        every = np.array([[baseline] * len(found[0]), *found])
        (line,) = axes.plot(every.mean(axis=1), label=kind)
        axes.fill_between(range(6), every.min(axis=1), every.max(axis=1),
                          color=line.get_color(), alpha=0.15, linewidth=0)  # fmt: skip
    axes.axhline(0.1, color="0.6", linewidth=0.8, zorder=0)
    axes.annotate("guessing", (0, 0.1), va="bottom")
    axes.set_ylim(0, 1)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 0.15))
    figure.savefig(picture, metadata={"Software": None})


if __name__ == "__main__":
    main()
