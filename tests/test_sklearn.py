"""The transformer keeps scikit-learn's conventions, and adds the noise of `add_noise`."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from noisify import NoisifyWarning, UsageError, add_noise, models
from noisify.sklearn import AddNoise

X = np.random.default_rng(0).normal([0, 100], [1, 20], (200, 2))
TRAIN, TEST = X[:150], X[150:]
FRAME = pd.DataFrame({"t": X[:, 0], "rh": X[:, 1], "city": ["Rome", "Oslo"] * 100})
FIT_ONLY = {"check_transformer_general", "check_transformer_data_not_an_array"}
"""scikit-learn's checks that fit_transform and transform give the same, as they do not by default:
noise in `fit_transform` alone keeps `predict` clean."""


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("during", "failing"), [("fit", FIT_ONLY), ("transform", set()), ("both", set())]
)
def test_scikit_learns_own_checks_pass_but_for_those_declared(during, failing):
    done = check_estimator(AddNoise(during=during, random_state=0), on_fail=None, on_skip=None)

    assert {one["check_name"] for one in done if one["status"] == "failed"} == failing
    assert len(done) > 40


class TestDuringFit:
    """The default: noise in training, none in what is predicted."""

    def test_the_training_data_get_noise_and_others_do_not(self):
        noise = AddNoise(scale=0.5, random_state=1)

        assert (noise.fit_transform(TRAIN) != TRAIN).all()
        assert (noise.transform(TRAIN) == TRAIN).all()
        assert (noise.transform(TEST) == TEST).all()

    def test_a_pipeline_learns_from_noisy_data_and_predicts_from_clean_ones(self):
        y = 2 * TRAIN[:, 0]
        pipeline = make_pipeline(AddNoise(scale=1, random_state=1), LinearRegression())

        pipeline.fit(TRAIN, y)

        again = LinearRegression().fit(AddNoise(scale=1, random_state=1).fit_transform(TRAIN), y)
        assert pipeline.predict(TEST).tolist() == again.predict(TEST).tolist()
        assert again.coef_[0] < 1.5  # attenuated by the noise in x

    def test_a_fitted_pipeline_can_be_tested_on_noisy_data(self):
        pipeline = make_pipeline(AddNoise(scale="0.1sd", random_state=1), StandardScaler())
        pipeline.fit(TRAIN)

        clean = pipeline.transform(TEST)
        noisy = pipeline.set_params(addnoise__during="transform").transform(TEST)

        assert (clean != noisy).all()


class TestLevels:
    def test_are_those_of_the_training_data(self):
        noise = AddNoise(scale="0.1sd", during="both", random_state=1).fit(TRAIN)
        scales = [step["scale"] for step in noise.plan_["plan"]["noise"]]

        assert scales == pytest.approx(0.1 * TRAIN.std(axis=0))
        expected = add_noise(
            pd.DataFrame(TEST, columns=["x0", "x1"]),
            noise=[f"x0=normal:{scales[0]!r}", f"x1=normal:{scales[1]!r}"],
            seed=1,
        )
        assert noise.transform(TEST).tolist() == expected.to_numpy().tolist()

    def test_of_outliers_too(self):
        noise = AddNoise("outlier", rate=0.5, during="both", random_state=1).fit(TRAIN)

        noisy = noise.transform(100 * TEST)[:, 1]

        hit = noisy != 100 * TEST[:, 1]
        assert 10 < hit.sum() < 40
        assert noisy[hit].max() < 5 * TRAIN[:, 1].max() < 100 * TEST[:, 1].min()


class TestNoise:
    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "u1"])
    def test_is_that_of_a_frame_with_the_same_columns(self, dtype, order):
        array = np.asarray(np.abs(TRAIN), dtype, order=order)
        frame = pd.DataFrame(array, columns=["x0", "x1"])

        noisy = AddNoise(scale=5, random_state=3).fit_transform(array)

        assert noisy.dtype == dtype
        expected = add_noise(frame, scale=5, columns=["x0", "x1"], seed=3)
        assert noisy.tolist() == expected.to_numpy().tolist()

    @pytest.mark.parametrize("frame", [FRAME, pl.from_pandas(FRAME)], ids=["pandas", "polars"])
    def test_of_a_frame_is_that_of_add_noise(self, frame):
        noisy = AddNoise(models.StudentT(df=4), random_state=3).fit_transform(frame)

        assert noisy.equals(add_noise(frame, "student-t", params={"df": 4}, seed=3))

    @pytest.mark.parametrize("columns", [1, [1], [-1], "x1", ["x1"], np.array([1])])
    def test_is_in_the_columns_chosen(self, columns):
        noisy = AddNoise(scale=1, columns=columns, random_state=1).fit_transform(TRAIN)

        assert (noisy != TRAIN).all(axis=0).tolist() == [False, True]
        assert (noisy == TRAIN).all(axis=0).tolist() == [True, False]

    def test_leaves_out_columns(self):
        noisy = AddNoise(scale=1, exclude=0, random_state=1).fit_transform(TRAIN)

        assert (noisy == TRAIN).all(axis=0).tolist() == [True, False]

    @pytest.mark.parametrize(
        "said",
        [
            {"noise": ["x0=normal:1", models.Missing(rate=0.5)]},
            {"recipe": {"seed": 9, "noise": [{"model": "laplace", "scale": 1}]}},
            {"preset": "sensor-faults:3"},
        ],
        ids=str,
    )
    def test_may_be_of_several_kinds(self, said):
        frame = pd.DataFrame(TRAIN, columns=["x0", "x1"])
        noisy = AddNoise(**said, random_state=4).fit_transform(TRAIN)

        np.testing.assert_array_equal(noisy, add_noise(frame, **said, seed=4).to_numpy())

    def test_of_labels_and_texts_is_learned_too(self):
        noise = AddNoise("flip", rate=0.5, columns="city", during="transform", random_state=1)
        noise.fit(FRAME)

        noisy = noise.transform(FRAME.iloc[:20].assign(city="Oslo"))

        assert set(noisy["city"]) == {"Rome", "Oslo"}

    def test_follows_the_record_by_its_key(self):
        frame = FRAME.assign(id=[f"r{n}" for n in range(200)])
        noise = AddNoise(scale=1, key="id", during="both", random_state=1)
        noisy = noise.fit_transform(frame)

        some = frame.sample(50, random_state=0)

        assert noise.transform(some).equals(noisy.loc[some.index])

    def test_keeps_nan(self):
        data = np.array([[1.0], [np.nan], [3.0]])

        noisy = AddNoise(scale=1, random_state=1).fit_transform(data)

        assert np.isnan(noisy[:, 0]).tolist() == [False, True, False]

    def test_warns_where_it_changes_nothing(self):
        with pytest.warns(NoisifyWarning, match="whole numbers stay whole") as found:
            AddNoise(scale=0.01, random_state=1).fit_transform(np.arange(4).reshape(2, 2))
        assert "sklearn" not in found[0].filename or "tests" in found[0].filename


class TestRandomState:
    def test_of_an_integer_is_the_seed(self):
        first, second = (AddNoise(scale=1, random_state=7).fit_transform(X) for _ in range(2))

        assert first.tolist() == second.tolist()
        assert AddNoise(random_state=7).fit(X).seed_ == 7

    @pytest.mark.parametrize("state", [None, np.random.RandomState(1)], ids=["None", "RandomState"])
    def test_of_another_kind_gives_a_new_seed_at_each_fit(self, state):
        noise = AddNoise(scale=1, random_state=state)

        assert noise.fit(X).seed_ != noise.fit(X).seed_

    def test_none_follows_numpys_global_seed(self):
        seeds = []
        for _ in range(2):
            np.random.seed(5)  # noqa: NPY002 - scikit-learn's convention
            seeds.append(AddNoise().fit(X).seed_)

        assert seeds[0] == seeds[1]

    def test_none_keeps_the_seed_of_a_recipe(self):
        recipe = {"seed": 9, "noise": [{"model": "normal", "scale": 1}]}

        assert AddNoise(recipe=recipe).fit(X).seed_ == 9


class TestAmongOthers:
    def test_is_cloned_and_pickled(self):
        noise = AddNoise(models.Normal(scale=1), columns=["x0"], during="both", random_state=1)

        again = pickle.loads(pickle.dumps(clone(noise).fit(X)))  # noqa: S301 - our own

        assert again.get_params() == noise.get_params()
        assert again.transform(X).tolist() == noise.fit_transform(X).tolist()

    def test_stores_parameters_as_given(self):
        columns = ["x0"]

        assert AddNoise(columns=columns).columns is columns

    def test_is_searched_over_levels(self):
        pipeline = make_pipeline(AddNoise(random_state=1), LinearRegression())
        search = GridSearchCV(pipeline, {"addnoise__scale": ["1sd", 0.0]}, cv=3)

        search.fit(X, 2 * X[:, 0])

        assert search.best_params_ == {"addnoise__scale": 0.0}

    def test_is_a_step_for_some_columns(self):
        steps = make_column_transformer(
            (AddNoise(scale=1, random_state=1), ["t"]),
            remainder="passthrough",
            verbose_feature_names_out=False,
        ).set_output(transform="pandas")

        noisy = steps.fit_transform(FRAME)

        expected = add_noise(FRAME, scale=1, columns="t", seed=1)
        assert noisy[["t", "rh"]].equals(expected[["t", "rh"]])

    @pytest.mark.parametrize("kind", ["pandas", "polars"])
    def test_gives_what_set_output_asks_for(self, kind):
        noise = AddNoise(scale=1, random_state=1).set_output(transform=kind)

        noisy = noise.fit_transform(TRAIN)

        assert type(noisy).__module__.startswith(kind)
        assert list(noisy.columns) == ["x0", "x1"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"during": "train"}, "during 'train' is none of fit, both, transform"),
        ({"columns": 2}, "there is no column 2: the array has 2"),
        ({"columns": "x7"}, "no field matches 'x7'"),
        ({"model": "nromal"}, "no model is called 'nromal'; did you mean 'normal'"),
        ({"model": "drop-rows", "rate": 0.1}, "drop-rows works on whole rows"),
        ({"random_state": -1}, "seed -1 is not an integer"),
        ({"scale": "x"}, "level"),
    ],
    ids=str,
)
def test_a_mistake_is_found_at_fit(said, message):
    with pytest.raises(UsageError, match=message):
        AddNoise(**said).fit(X)
