"""Noise as a step of a scikit-learn pipeline, with levels learned from the training data."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from noisify.api import noisy_copy, plan_for
from noisify.core.errors import NoisifyWarning, UsageError, shown
from noisify.core.values import is_list, whole_number
from noisify.plan.request import NAMES, NoiseOptions, check_options, request_from, show_options

if TYPE_CHECKING:
    from typing import Unpack

    from noisify.plan.model_names import ModelName
    from noisify.plan.model_spec import ModelSpec

_FITTED, _TRANSFORMED = ("fit", "both"), ("transform", "both")
_SEEDS = 1 << 53


class AddNoise(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """A transformer that adds noise to training data, and leaves data to predict as they are.

    `fit` settles every level, such as "0.1sd", on the data it gets; other data get noise of that
    same level. By default noise is only in what `fit_transform` returns: a `Pipeline` is then
    trained on noisy data, and its `predict` and `score` see the data as they are. `during` says
    otherwise, also after `fit`: `pipeline.set_params(addnoise__during="transform")` tests a
    fitted pipeline on noisy data.

    A DataFrame comes back as a DataFrame of the same types, unless `set_output` says otherwise.
    The columns of an array are called x0, x1, …, and all of them get noise unless `columns` chooses
    some. The noise is that of `add_noise` on a DataFrame with these columns.

    Args:
        model: See `noisify.add_noise`.
        decimals: See `noisify.add_noise`.
        during: "fit": noise is in what `fit_transform` returns; "transform": in what `transform`
            returns; "both". Where both get it, the same row number has the same noise.
        random_state: An integer is the seed, as for `add_noise`. A `RandomState`, or None for
            NumPy's own, draws a new one at each `fit`.
        **options: Which noise, and on which fields, as for `noisify.add_noise`: from `scale` to
            `key`. Numbers in `columns` and `exclude` count the columns of an array.

    Attributes:
        seed_: The seed.
        plan_: The noise with every level settled, as in a report: a recipe for `add_noise`.
        n_features_in_: The number of columns.
        feature_names_in_: The columns' names, if `fit` got a DataFrame.

    >>> import numpy as np
    >>> from noisify.sklearn import AddNoise
    >>> X = np.array([[0.0, 10.0], [2.0, 30.0]])
    >>> noise = AddNoise(scale="0.1sd", random_state=42)
    >>> bool((noise.fit_transform(X) != X).all()), bool((noise.transform(X) == X).all())
    (True, True)
    >>> [step["scale"] for step in noise.plan_["plan"]["noise"]]
    [0.1, 1.0]
    """

    @show_options
    def __init__(
        self,
        model: ModelName | ModelSpec | None = None,
        *,
        decimals: int | None = None,
        during: Literal["fit", "transform", "both"] = "fit",
        random_state: int | np.random.RandomState | None = None,
        **options: Unpack[NoiseOptions],
    ) -> None:
        check_options(options)
        self.__dict__.update(dict.fromkeys(NAMES) | options)
        self.model = model
        self.decimals = decimals
        self.during = during
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:
        """Settle the noise on training data.

        Args:
            X: An array of shape (n_samples, n_features), or a DataFrame of pandas or polars.
            y: Ignored.

        Raises:
            UsageError: If a parameter does not fit the data.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: object = None) -> Any:
        """Settle the noise on training data, and return them with it.

        Args:
            X: As for `fit`.
            y: Ignored.
        """
        X = self._fit(X)
        return self._noisy(X) if self.during in _FITTED else X

    def transform(self, X: Any) -> Any:
        """Return data as they are, or with noise if `during` says so.

        Args:
            X: As for `fit`.
        """
        check_is_fitted(self)
        self._check_during()
        X = self._checked(X, reset=False)
        return self._noisy(X) if self.during in _TRANSFORMED else X

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn should know."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.non_deterministic = self.during in _TRANSFORMED  # it depends on a row's number
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _fit(self, X: Any) -> Any:
        self._check_during()
        X = self._checked(X, reset=True)
        options = {name: getattr(self, name) for name in NAMES}
        if not _is_table(X):
            options |= self._columns_of_array()
        request = request_from(options, model=self.model, decimals=self.decimals, seed=self._seed())
        self.seed_ = request.seed
        self.plan_ = {"plan": plan_for(self._table(X), request).as_json()}
        return X

    def _check_during(self) -> None:
        choices = dict.fromkeys((*_FITTED, *_TRANSFORMED))
        if self.during not in choices:
            raise UsageError(f"during {shown(self.during)} is none of {', '.join(choices)}")

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """Return data checked: a DataFrame as it is, else an array of numbers."""
        if _is_table(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        return validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite=False)

    def _seed(self) -> int | None:
        """Return the seed, or None to use the recipe's."""
        if (seed := whole_number(self.random_state)) is not None:
            return seed
        if self.random_state is None and self.recipe is not None:
            return None
        return int(check_random_state(self.random_state).randint(_SEEDS, dtype=np.int64))

    def _names(self) -> list[str]:
        return [str(name) for name in self.get_feature_names_out()]

    def _columns_of_array(self) -> dict[str, Any]:
        """Return which columns of an array are chosen, by name."""
        names = self._names()
        said = {
            key: _named(getattr(self, key), names)
            for key in ("columns", "exclude")
            if getattr(self, key) is not None
        }
        return {"columns": names, **said} if self.noise is None and self.recipe is None else said

    def _table(self, X: Any) -> Any:
        """Return an array as a structured one, with a member for each column."""
        if _is_table(X):
            return X
        members = [(name, X.dtype) for name in self._names()]
        return np.ascontiguousarray(X).view(members)[:, 0]

    def _noisy(self, X: Any) -> Any:
        noisy, notes = noisy_copy(self._table(X), request_from({"recipe": self.plan_}), None)
        for note in notes:
            warnings.warn(note, NoisifyWarning, stacklevel=4)
        return noisy if _is_table(X) else noisy.view(X.dtype).reshape(X.shape)


def _is_table(X: object) -> bool:
    """Return whether X is a DataFrame of pandas or polars."""
    return hasattr(X, "columns") and hasattr(X, "shape")


def _named(chosen: Any, names: list[str]) -> Any:
    """Return selectors with the numbers of columns as their names."""
    if is_list(chosen):
        return [_named(one, names) for one in chosen]
    number = whole_number(chosen)
    if number is None:
        return chosen
    if not -len(names) <= number < len(names):
        raise UsageError(f"there is no column {number}: the array has {len(names)}")
    return names[number]
