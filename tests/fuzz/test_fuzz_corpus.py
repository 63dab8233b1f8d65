"""Each file that is fuzzed from, and each that fuzzing found a fault by, keeps the promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fuzz_targets import CORPUS, TARGETS, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz_targets import Place, Target

FOUND = "found-"
CASES = [
    pytest.param(target, name, id=f"{target.name}-{name}")
    for target in TARGETS
    for name in sorted(path.name for path in (CORPUS / target.name).iterdir())
]


@pytest.fixture
def where() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.mark.parametrize(("target", "name"), CASES)
def test_each_input_keeps_the_promise(target: Target, name: str, where: Place) -> None:
    data = (CORPUS / target.name / name).read_bytes()
    if name.startswith(FOUND):
        checks = list(dict.fromkeys(target.checks))
        assert [[]] * len(checks) == [check(data, where) for check in checks]
    assert [] == target.check(data, where)
