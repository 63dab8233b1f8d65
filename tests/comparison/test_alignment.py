"""Rows that were lost or added are found, whatever pieces the tables come in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from noisify.comparison.alignment import AHEAD, match

ROWS = np.random.default_rng(1).integers(1, 2**63, 2000).astype(np.uint64)


SOME = st.sets(st.integers(0, 1999), max_size=40)


@given(SOME)
def test_lost_rows_are_counted(dropped):
    kept = np.delete(np.arange(2000), sorted(dropped))
    found = match(ROWS, ROWS[kept], last=(True, True))
    assert (len(dropped), 0) == (found.lost, found.added)
    assert np.array_equal(kept[found.after], found.before)


@given(SOME)
def test_repeated_rows_are_counted(repeated):
    kept = np.sort([*range(2000), *repeated])
    found = match(ROWS, ROWS[kept], last=(True, True))
    assert (0, len(repeated)) == (found.lost, found.added)
    assert np.array_equal(kept[found.after], found.before)


def test_rows_with_another_key_stay_paired():
    after = ROWS.copy()
    after[[3, 500, 501]] = [1, 2, 3]
    found = match(ROWS, after, last=(True, True))
    assert (0, 0) == (found.lost, found.added)
    assert list(range(2000)) == found.before.tolist() == found.after.tolist()


def test_rows_near_the_end_wait_for_more():
    found = match(ROWS, ROWS, last=(False, False))
    assert found.used[0] == found.used[1] <= 2000 - AHEAD


def test_what_follows_the_end_of_the_other_is_lost_or_added():
    assert 900 == match(ROWS, ROWS[:1100], last=(True, True)).lost
    assert 900 == match(ROWS[:1100], ROWS, last=(True, False)).added
