"""Test levels and rates: parsing, arithmetic and absolute amounts."""

import math

import pytest

from noisify.core.errors import UsageError
from noisify.noise import level as levels
from noisify.noise.level import Absolute, FromField, OfField, Percent
from noisify.statistics.survey import FieldStatistics


class TestParse:
    @pytest.mark.parametrize(
        ("typed", "expected"),
        [
            ("0.5", Absolute(0.5)),
            (".5", Absolute(0.5)),
            ("5.", Absolute(5.0)),
            ("+2", Absolute(2.0)),
            ("1e-3", Absolute(0.001)),
            ("0", Absolute(0.0)),
            (" 0.5 ", Absolute(0.5)),
            (0.5, Absolute(0.5)),
            (3, Absolute(3.0)),
            ("5%", Percent(0.05)),
            ("150%", Percent(1.5)),
            ("0.1sd", OfField(0.1, "sd")),
            ("0.2iqr", OfField(0.2, "iqr")),
            ("1%range", OfField(0.01, "range")),
            ("10%sd", OfField(0.1, "sd")),
            ("sd", OfField(1.0, "sd")),
            ("@flux_err", FromField("flux_err")),
            ("0.5@flux_err", FromField("flux_err", 0.5)),
            ("50%@flux_err", FromField("flux_err", 0.5)),
            ("@a, b @ c%", FromField("a, b @ c%")),
            ("@entry/data", FromField("entry/data")),
            (Percent(0.2), Percent(0.2)),
        ],
    )
    def test_level(self, typed, expected):
        assert expected == levels.parse(typed)

    @pytest.mark.parametrize(
        "typed", ["", "%", "abc", "1 2", "5%%", "0x10", "nan", "inf", "@", "1@", "1sd%"]
    )
    def test_refuses_an_invalid_level(self, typed):
        with pytest.raises(UsageError, match=r"type 0\.5, 5%, 0\.1sd, 0\.2iqr, 1%range or @column"):
            levels.parse(typed)

    @pytest.mark.parametrize("typed", ["-1", "-5%", "-0.1sd", "-1@x", "1e999", -0.5])
    def test_refuses_a_negative_or_huge_level(self, typed):
        with pytest.raises(UsageError, match="must be a finite number of at least 0"):
            levels.parse(typed)

    @pytest.mark.parametrize("typed", [math.nan, math.inf, -math.inf])
    def test_a_number_that_is_not_finite(self, typed):
        with pytest.raises(UsageError):
            levels.parse(typed)

    def test_an_error_names_the_option(self):
        with pytest.raises(UsageError, match=r"^sd '-1'"):
            levels.parse("-1", option="sd")

    def test_the_default_is_a_tenth_of_the_standard_deviation(self):
        assert levels.parse("0.1sd") == levels.DEFAULT


class TestText:
    @pytest.mark.parametrize(
        "typed",
        ["0.5", "0", "1e-09", "5%", "0.1%", "7%", "0.1sd", "0.2iqr", "0.01range", "@x", "0.5@x"],
    )
    def test_a_level_is_shown_as_typed(self, typed):
        assert typed == str(levels.parse(typed))

    @pytest.mark.parametrize("number", [0.1 + 0.2, 1 / 3, 1e300, 5e-324, 123456789.125])
    def test_of_an_absolute_level_reads_back_exactly(self, number):
        assert Absolute(number) == levels.parse(str(Absolute(number)))

    def test_in_a_report_an_absolute_level_is_a_number(self):
        assert 0.5 == levels.as_json(Absolute(0.5))
        assert "5%" == levels.as_json(Percent(0.05))


class TestArithmetic:
    @pytest.mark.parametrize(
        ("level", "expected"),
        [
            (Absolute(3.0), Absolute(1.5)),
            (Percent(0.5), Percent(0.25)),
            (OfField(1.0, "iqr"), OfField(0.5, "iqr")),
            (FromField("x"), FromField("x", 0.5)),
        ],
    )
    def test_times(self, level, expected):
        assert expected == level.times(0.5)

    @pytest.mark.parametrize(("statistic", "expected"), [("sd", 0.2), ("range", 1.0), ("iqr", 0.3)])
    def test_of_field_is_its_share_of_a_statistic(self, statistic, expected):
        statistics = FieldStatistics(count=9, mean=1.0, sd=2.0, power=5.0, range=10.0, iqr=3.0)
        assert Absolute(pytest.approx(expected)) == OfField(0.1, statistic).resolve(statistics)


class TestDecibels:
    @pytest.mark.parametrize(
        ("typed", "expected"),
        [("20", 20.0), ("20dB", 20.0), ("-3.5 DB", -3.5), (6, 6.0), ("0", 0.0)],
    )
    def test_are_read(self, typed, expected):
        assert expected == levels.parse_decibels(typed)

    @pytest.mark.parametrize("typed", ["", "dB", "loud", "nan", "inf", "20%", -math.inf])
    def test_are_finite_numbers(self, typed):
        with pytest.raises(UsageError, match="not a finite number of decibels"):
            levels.parse_decibels(typed)

    @pytest.mark.parametrize(("decibels", "expected"), [(20, 0.04), (0, 4.0), (-10, 40.0)])
    def test_ten_decibels_are_a_tenth_of_the_power(self, decibels, expected):
        assert pytest.approx(expected, rel=1e-15) == levels.noise_power(4.0, decibels)


@pytest.mark.parametrize("typed", ["5%", "0.1%", "33.3%", "7.0000000000000001e-3%", "0.1sd", "90s"])
@pytest.mark.parametrize("factor", [1.0, 1 / 3, 0.1, 1e-9])
def test_a_written_level_reads_back_the_same(typed, factor):
    level = levels.parse(typed).times(factor)
    assert level == levels.parse(str(level))
