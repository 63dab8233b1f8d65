"""Expressions, recipes, noise specs and masks from grammars: most are valid, and run; none crashes.

Each run ends by a status that says what it was, with one line for each mistake, and without a
half-written output.
"""

from __future__ import annotations

import io
import json
import zipfile
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_command import run

from noisify.core.errors import NoisifyError
from noisify.plan import recipe
from noisify.plan.condition import parse
from noisify.plan.spec_text import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TABLE = "x,y,n,word,home town\n1.5,2.5,3,one,Rome\n-2.5,1e3,4,two,\n0.5,,5,,Oslo\n"

numbers = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from([".5", "5.", "1e9", "0", "1e999", "9" * 400]),
)
texts = st.text(st.characters(exclude_characters="\"'", codec="utf-8"), max_size=6).map(
    "'{}'".format
)
sums = st.recursive(
    st.one_of(st.sampled_from(["x", "y", "n", "`x`"]), numbers.map(lambda n: n.replace("-", ""))),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("-{}".format),
    ),
    max_leaves=8,
)
signs = st.sampled_from(["<", "<=", ">", ">=", "==", "=", "!=", "<>"])
comparisons = st.one_of(
    st.tuples(sums, signs, sums).map(" ".join),
    st.tuples(st.sampled_from(["word", "`home town`"]), signs, texts).map(" ".join),
    st.tuples(sums, st.sampled_from(["is null", "is not null"])).map(" ".join),
    st.tuples(
        sums,
        st.sampled_from(["in", "not in", "NOT IN"]),
        st.lists(sums, min_size=1, max_size=4).map(lambda choices: f"({', '.join(choices)})"),
    ).map(" ".join),
    st.sampled_from(["true", "FALSE"]),
)  # fmt: skip
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "AND"]), inner).map(" ".join),
        inner.map("not ({})".format),
        inner.map("({})".format),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("grammars") / "t.csv"
    path.write_text(TABLE, "utf-8")
    return path


def ended_well(done, target: Path, *, most: int = 1) -> bool:
    """Return whether a run succeeded; fail if it ended in an undocumented way."""
    assert done.status in {0, 2, 3}, done.messages
    assert "Traceback" not in done.messages
    if done.status:
        assert 0 < len(done.lines) <= most
        assert not target.exists()
        return False
    assert target.exists()
    target.unlink()
    return True


def mistake(read: Callable[..., object], *arguments: object) -> str:
    """Return an error's message, or an empty text if there is none."""
    try:
        read(*arguments)
    except NoisifyError as error:
        return str(error)
    return ""


@quick
@given(condition=conditions)
def test_conditions_are_worked_out(table, condition):
    assert parse(condition).text == condition
    target = table.with_name("o.csv")
    done = run(table, "-o", target, "-c", "x", "-s", 1, "--seed", 1, "--where", condition)

    ended_well(done, target)


@quick
@given(condition=conditions, at=st.integers(0, 40), sign=st.sampled_from("()'\"`<=!,&;\0\x1b[é"))
def test_broken_conditions_are_told_in_a_line(condition, at, sign):
    said = mistake(parse, condition[:at] + sign + condition[at + 1 :])

    assert said.startswith("--where" if said else "")
    assert said.isprintable()


names = st.sampled_from(["x", "y", "n", "x,y", "*", ":float", "!n"])
levels = st.sampled_from(["0.5", "5%", "0.1sd", "1%range", "0.2iqr", "@y", "1e-3", "0"])
additive = st.sampled_from(["normal", "laplace", "uniform", "logistic", "cauchy", "gumbel"])
rated = st.sampled_from(["missing", "outliers", "salt-pepper", "shuffle", "typo"])
rates = st.sampled_from(["0.05", "50%", "0", "1"])


def words(**parts: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    """Return the words of noise, the field's and the clip's left out here and there."""
    return st.fixed_dictionaries(parts, optional={"fields": names, "where": conditions})


noises = st.one_of(
    words(model=additive, scale=levels), words(model=additive, sd=st.just("0.2")),
    words(model=st.just("normal"), snr=st.integers(-50, 90).map(str)),
    words(model=rated, rate=rates),
)  # fmt: skip


def as_toml(noise: dict[str, str]) -> str:
    return "[[noise]]\n" + "".join(f"{key} = {json.dumps(noise[key])}\n" for key in noise)


@quick
@given(found=st.lists(noises, min_size=1, max_size=3), seed=st.integers(0, 2**63 - 1))
@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_recipes_run(table, suffix, found, seed):
    path = table.with_name(f"recipe.{suffix}")
    text = f"seed = {seed}\n" + "".join(map(as_toml, found))
    path.write_text(
        text if suffix == "toml" else json.dumps({"seed": seed, "noise": found}), "utf-8"
    )
    target = table.with_name("o.csv")

    said = mistake(recipe.load, path)
    done = run(table, "-o", target, "--recipe", path)

    assert said.startswith(f"{path}:" if said else "")
    assert ended_well(done, target, most=9) <= (not said)


@quick
@given(found=noises, at=st.integers(0, 120), sign=st.sampled_from('"[]{}=\n#.,\0\x1b-1é'))
def test_broken_recipes_are_told_with_their_lines(table, found, at, sign):
    text = as_toml(found)
    path = table.with_name("broken.toml")
    path.write_text(text[:at] + sign + text[at + 1 :], "utf-8")

    assert all(line.startswith(f"{path}:") for line in mistake(recipe.load, path).splitlines())


@quick
@given(noise=noises, at=st.none() | st.integers(0, 60), sign=st.sampled_from(",=:'\"\0\x1b!*é"))
def test_specs_are_read_or_told_in_a_line(noise, at, sign):
    spec = ",".join(f"{key}={value}" for key, value in noise.items() if "," not in value)
    spec = spec if at is None else spec[:at] + sign + spec[at + 1 :]

    assert mistake(parse_spec, spec).isprintable()


values = st.sampled_from(["", "1.5", '"1.5"', '" 7"', "x", '"a""b"', '"', "é", "\0", "true"])
flags = st.sampled_from(["true", "false", "false", "true", "TRUE", "1", ""])
rows = st.one_of(
    st.tuples(flags.filter("truefalse".__contains__), values), st.tuples(flags, values)
).map(",".join)


@quick
@given(
    header=st.sampled_from(["x,x.original"] * 6 + ["x", "y,y.original", "q,q.original", "x,y", ""]),
    found=st.lists(rows, min_size=2, max_size=4),
    tail=st.sampled_from([b"", b"\n", b"\xff\n"]),
)
def test_masks_are_given_back_or_told(table, header, found, tail):
    mask, target = table.with_name("mask.csv"), table.with_name("o.csv")
    mask.write_bytes("\n".join([header, *found]).encode() + tail)

    done = run(table, "--restore", mask, "-o", target)

    ended_well(done, target)


_NUMBERS = count()
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@quick
@given(
    method=st.sampled_from(METHODS),
    changes=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=3),
    to=st.sampled_from(["npz", "npy", "h5"]),
)  # fmt: skip
def test_damaged_archives_are_told(tmp_path, method, changes, to):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        member = io.BytesIO()
        np.save(member, np.arange(40.0))
        archive.writestr("a.npy", member.getvalue())
    data = bytearray(held.getvalue())
    for at, byte in changes:
        data[at % len(data)] = byte
    number = next(_NUMBERS)
    path, target = tmp_path / f"{number}.npz", tmp_path / f"o{number}.{to}"
    path.write_bytes(data)

    ended_well(run(path, "-o", target, "-s", 1, "--seed", 1), target, most=2)
