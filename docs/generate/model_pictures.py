"""Draw each model: a signal, a scatter plot or rows of a table, before and after its noise.

The drawings are SVG, written number by number: the same noise gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from gallery import clean_signal, svg_path

from noisify import add_noise, noisify_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.models import ModelName

SEED = 42
ROW_MODELS = frozenset({"drop-rows", "duplicate-rows"})
WIDTH, HEIGHT = 720, 210
LEFT, TOP, PLOT_HEIGHT = 12, 34, 150
SIGNAL_WIDTH, SIDE_LEFT, SIDE_WIDTH = 480, 516, 190
BINS = 31
ROW, CHARACTER = 20, 7.3
AFTER_LEFT = 372
STYLE = """\
text{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px;fill:#24292f}
.title{font-weight:600;fill:#57606a}
.frame{fill:#fff;stroke:#d0d7de}
.before{fill:none;stroke:#24292f;stroke-width:1.1}
.after{fill:none;stroke:#d98200;stroke-width:1.3;stroke-linejoin:round}
.bar{fill:#5aa3d0}
.dot{fill:#24292f;opacity:.45}
.moved{fill:#d98200;opacity:.7}
.hit{fill:#ffe2b3;stroke:#d98200}
.changed{font-weight:700}"""


@dataclass(frozen=True)
class Picture:
    """How a model is drawn.

    Attributes:
        draw: Returns the body of the drawing, given the picture.
        model: The model's name.
        level: The arguments of `add_noise` beside the model and its parameters.
        params: The model's parameters.
    """

    draw: Callable[[Picture], Iterator[str]]
    model: ModelName
    level: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> str:
        """The same on the command line."""
        short = {"scale": "-s", "rate": "--rate"}
        words = [f"{short[name]} {value}" for name, value in self.level.items()]
        return " ".join([*words, *(f"-p {name}={value}" for name, value in self.params.items())])

    def noisy(self, data: Any, **more: Any) -> Any:  # noqa: ANN401 - what goes in comes out
        """Return data with this noise."""
        given = {**self.level, "params": dict(self.params), "seed": SEED, **more}
        return add_noise(data, self.model, **given)

    def noisy_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with this noise; models of whole rows work on files."""
        if self.model not in ROW_MODELS:
            return cast("pd.DataFrame", self.noisy(table, columns=list(table.columns)))
        spec = {"model": self.model, **self.level, **self.params}
        with TemporaryDirectory() as folder:
            source, target = Path(folder, "before.csv"), Path(folder, "after.csv")
            table.to_csv(source, index=False)
            noisify_file(source, target, noise=[spec], seed=SEED)
            return pd.read_csv(target)

    def svg(self) -> str:
        """Return the drawing."""
        body = list(self.draw(self))
        title = f"{self.model} {self.options}: before and after".replace("  ", " ")
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"',
                f' viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">',
                f'<title id="title">{escape(title)}</title>',
                f"<style>\n{STYLE}\n</style>",
                f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#f6f8fa"/>',
                *body,
                "</svg>",
                "",
            ]
        )


def _signal(picture: Picture) -> Iterator[str]:
    yield from _curves(picture, clean_signal())


def _counts(picture: Picture) -> Iterator[str]:
    yield from _curves(picture, np.rint(clean_signal()).astype(np.int64))


def _curves(picture: Picture, clean: NDArray[Any]) -> Iterator[str]:
    """Draw a signal before and after, and the histogram of the change."""
    noisy = picture.noisy(clean)
    if np.isnan(noisy).any():  # lost values are gaps in a broad line
        noisy_title = "before (dark) and after (orange, with gaps)"
    else:
        noisy_title = "before (dark) and after (orange)"
    seen = np.nanquantile(noisy, [0.01, 0.99])
    low, high = min(clean.min(), seen[0]), max(clean.max(), seen[1])
    margin = 0.06 * (high - low)
    yield _text(LEFT, TOP - 14, noisy_title, "title")
    yield _frame(LEFT, SIGNAL_WIDTH)
    yield f'<clipPath id="plot">{_frame(LEFT, SIGNAL_WIDTH)}</clipPath><g clip-path="url(#plot)">'
    for values, kind in ((noisy, "after"), (clean, "before")):
        wide = ' style="stroke-width:5"' if np.isnan(values).any() else ""
        yield f'<path class="{kind}"{wide} d="{_path(values, low - margin, high + margin)}"/>'
    yield "</g>"
    yield from _histogram(np.asarray(noisy, np.float64) - clean)


def _path(values: NDArray[Any], low: float, high: float) -> str:
    """Return the path of a signal, interrupted where a value is missing."""
    up = np.clip((values - low) / (high - low), -1, 2)
    return svg_path(LEFT + np.linspace(0, SIGNAL_WIDTH, len(values)), TOP + PLOT_HEIGHT * (1 - up))


def _histogram(change: NDArray[np.float64]) -> Iterator[str]:
    """Draw the histogram of the change; of 98% of it where the rest is far out."""
    change = change[np.isfinite(change)]
    few = np.mean(change != 0) < 0.5  # noqa: PLR2004
    change = change[change != 0] if few else change
    reach = float(np.quantile(np.abs(change), 0.98)) if len(change) else 0.0
    reach = reach if reach > 0 else float(np.abs(change).max(initial=0.0))
    title = "the change where not 0" if few else "the change, after - before"
    yield _text(SIDE_LEFT, TOP - 14, title, "title")
    yield _frame(SIDE_LEFT, SIDE_WIDTH)
    if not reach:
        yield _text(SIDE_LEFT + 8, TOP + 20, "none: values are lost")
        return
    counts, _ = np.histogram(change, BINS, (-1.15 * reach, 1.15 * reach))
    wide = SIDE_WIDTH / BINS
    for number, share in enumerate((counts / counts.max()).tolist()):
        tall = share * (PLOT_HEIGHT - 8)
        if tall:
            x, y = SIDE_LEFT + number * wide, TOP + PLOT_HEIGHT - tall
            yield (
                f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{wide - 0.6:.1f}"'
                f' height="{tall:.1f}"/>'
            )
    for x, value in ((SIDE_LEFT, -1.15), (SIDE_LEFT + SIDE_WIDTH - 42, 1.15)):
        yield _text(x, TOP + PLOT_HEIGHT + 16, f"{value * reach:.3g}")


def _scatter(picture: Picture) -> Iterator[str]:
    """Draw two correlated fields before and after, each as a cloud of points."""
    x = np.random.default_rng(SEED).normal(size=(2, 250))
    clean = pd.DataFrame({"income": x[0], "spending": 0.9 * x[0] + 0.436 * x[1]})
    noisy = picture.noisy(clean)
    places = ((LEFT, "before", clean, "dot"), (LEFT + 250, "after", noisy, "moved"))
    for left, title, table, kind in places:
        yield _text(left, TOP - 14, f"{title}: income, spending", "title")
        yield _frame(left, 230)
        for a, b in table.clip(-3.4, 3.4).to_numpy().tolist():
            across, down = left + 115 + 32 * a, TOP + PLOT_HEIGHT / 2 - 21 * b
            yield f'<circle class="{kind}" cx="{across:.1f}" cy="{down:.1f}" r="2"/>'
    same = clean["income"].corr(clean["spending"]), noisy["income"].corr(noisy["spending"])
    lines = ("correlation", f"before {same[0]:.3f}", f"after  {same[1]:.3f}")
    for number, line in enumerate(lines):
        yield _text(LEFT + 510, TOP + 30 + ROW * number, line)


NAMES = ("Anna Schmidt", "Bob Miller", "Clara Rossi", "David Moreau", "Emma Brown", "Fatima Khan",
         "Georg Bauer", "Hana Novak")  # fmt: skip
SPECIES = ("setosa", "setosa", "virginica", "versicolor", "virginica", "setosa", "versicolor",
           "virginica")  # fmt: skip
DAYS = [pd.Timestamp(2001, month, (month * 5) % 9 + 1) for month in range(1, 9)]
TABLES: dict[str, dict[str, Sequence[object]]] = {
    "names": {"name": ("Anna Schmidt", "Bob Miller", "Clara Rossi", "Zoë Moreau", "Émile Brun",
                       "Fatima Khan", "Jörg Bauer", "Hana Novák")},
    "species": {"species": SPECIES},
    "readings": {"reading": (11, 12, 13, 14, 15, 16, 17, 18)},
    "days": {"birthday": DAYS},
    "rows": {"row": range(1, 9), "name": NAMES},
    "people": {"first_name": [name.split()[0] for name in NAMES],
               "surname": [name.split()[1] for name in NAMES]},
}  # fmt: skip


def _table(name: str) -> Callable[[Picture], Iterator[str]]:
    """Return what draws the rows of a table, changed cells in boxes."""

    def draw(picture: Picture) -> Iterator[str]:
        clean = pd.DataFrame(TABLES[name])
        before, after = _rows(clean), _rows(picture.noisy_table(clean))
        if picture.model in ROW_MODELS:
            lost = [[row not in after] * len(row) for row in before]
            marked = [[row in after[:number]] * len(row) for number, row in enumerate(after)]
        else:
            pairs = zip(before, after, strict=True)
            lost = marked = [[a != b for a, b in zip(*rows, strict=True)] for rows in pairs]
        yield from _column(LEFT, "before", before, lost)
        yield from _column(AFTER_LEFT, "after", after, marked)

    return draw


def _rows(table: pd.DataFrame) -> list[list[str]]:
    texts = [
        column.dt.strftime("%Y-%m-%d") if column.dtype.kind == "M" else column.astype(str)
        for _, column in table.items()
    ]
    return [list(row) for row in zip(*texts, strict=True)]


def _column(
    left: int, title: str, rows: list[list[str]], marked: list[list[bool]]
) -> Iterator[str]:
    yield _text(left, TOP - 14, title, "title")
    shown = rows[: 8 if title == "before" else 9]
    for number, (row, marks) in enumerate(zip(shown, marked, strict=False)):
        x = float(left)
        for cell, mark in zip(row, marks, strict=True):
            y = TOP + 12 + ROW * number
            wide = CHARACTER * len(cell) + 8
            if mark:
                yield (
                    f'<rect class="hit" x="{x - 3:.1f}" y="{y - 13}" width="{wide:.1f}"'
                    f' height="17" rx="3"/>'
                )
            yield _text(x, y, cell, "changed" if mark else "")
            x += max(110, wide + 12) if len(row) > 1 else wide


def _frame(left: int, wide: int) -> str:
    return f'<rect class="frame" x="{left}" y="{TOP}" width="{wide}" height="{PLOT_HEIGHT}"/>'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x:g}" y="{y:g}" xml:space="preserve">{escape(text)}</text>'


PICTURES = (
    Picture(_signal, "normal", {"scale": 1.5}),
    Picture(_signal, "uniform", {"scale": 2.5}),
    Picture(_signal, "laplace", {"scale": 1}),
    Picture(_signal, "cauchy", {"scale": 0.5}),
    Picture(_signal, "student-t", {"scale": 1}, {"df": 3}),
    Picture(_signal, "logistic", {"scale": 0.8}),
    Picture(_signal, "gumbel", {"scale": 1.2}),
    Picture(_signal, "exponential", {"scale": 1.5}),
    Picture(_signal, "gamma", {"scale": 0.8}, {"shape": 3}),
    Picture(_signal, "lognormal", {"scale": 1}, {"sigma": 0.7}),
    Picture(_signal, "triangular", {"scale": 3}),
    Picture(_signal, "truncated-normal", {"scale": 1.5}, {"cut": 1.5}),
    Picture(_signal, "multiplicative", {"scale": "10%"}),
    Picture(_signal, "rounding", {}, {"step": 3}),
    Picture(_signal, "bias", {"scale": 3}),
    Picture(_signal, "poisson", {}, {"count": 1}),
    Picture(_counts, "binomial", {}, {"keep": "80%"}),
    Picture(_signal, "salt-and-pepper", {"rate": "5%"}, {"low": 2, "high": 38}),
    Picture(_signal, "impulse", {"rate": "5%"}, {"low": 2, "high": 38}),
    Picture(_signal, "outlier", {"rate": "3%"}, {"factor": 0.5}),
    Picture(_signal, "spike", {"rate": "5%", "scale": 8}),
    Picture(_signal, "stuck", {"rate": "30%"}, {"run": 20}),
    Picture(_signal, "dropout", {"rate": "3%"}),
    Picture(_counts, "bit-flip", {"rate": "5%"}, {"bits": 1, "highest": 4}),
    Picture(_signal, "scale-by", {"rate": "4%"}, {"factor": 1.8}),
    Picture(_signal, "laplace-mechanism", {}, {"epsilon": 1, "sensitivity": 1}),
    Picture(_signal, "gaussian-mechanism", {}, {"epsilon": 3, "sensitivity": 1}),
    Picture(_signal, "ar1", {"scale": 2}, {"rho": 0.95}),
    Picture(_signal, "random-walk", {"scale": 0.3}),
    Picture(_signal, "colored", {"scale": 5}, {"exponent": 1.5}),
    Picture(_signal, "pink", {"scale": 2}),
    Picture(_signal, "brown", {"scale": 10}),
    Picture(_signal, "blue", {"scale": 1.5}),
    Picture(_signal, "violet", {"scale": 1.5}),
    Picture(_signal, "drift", {"scale": 8}, {"fixed": "true"}),
    Picture(_signal, "timing-jitter", {"scale": 12}),
    Picture(_scatter, "correlated", {}, {"share": 0.5}),
    Picture(_signal, "missing", {"rate": "20%"}, {"burst": 8}),
    Picture(_table("species"), "label-flip", {"rate": "30%"}),
    Picture(_table("species"), "category-swap", {"rate": "60%"}, {"a": "setosa", "b": "virginica"}),
    Picture(_table("readings"), "shuffle", {"rate": "70%"}, {"window": 8}),
    Picture(_table("names"), "typo", {"rate": "60%"}),
    Picture(_table("names"), "ocr", {"rate": "60%"}),
    Picture(_table("names"), "case", {"rate": "50%"}),
    Picture(_table("names"), "whitespace", {"rate": "60%"}),
    Picture(_table("names"), "truncate", {"rate": "50%"}),
    Picture(_table("names"), "mojibake", {"rate": "90%"}),
    Picture(_table("days"), "day-month-swap", {"rate": "60%"}),
    Picture(_table("rows"), "drop-rows", {"rate": "30%"}),
    Picture(_table("rows"), "duplicate-rows", {"rate": "20%"}),
    Picture(_table("people"), "swap-fields", {"rate": "40%"}),
)
