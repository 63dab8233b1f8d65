"""What every format keeps, as tests: a format's own test class inherits them all.

class TestNpy(FormatConformance):
    suffix = ".npy"
    def write(self, path, columns): ...
    def read(self, path): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
from run_command import normal_noise, run

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Columns = Mapping[str, NDArray]

FLOATS = ("f8", "f4", "f2")
INTEGERS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
CUTS = (("--jobs", 1), ("--jobs", 3, "--chunk-size", "1k"), ("--jobs", 2, "--chunk-size", "24000"))


class FormatConformance:
    """Round trip, identity, emptiness, one row, nulls, dtypes, order, failure, and cuts."""

    suffix: ClassVar[str]
    """How the format's files end."""
    names: ClassVar[tuple[str, ...]] = ("x", "y")
    """The fields of the test's files, at most these two; the first gets noise."""
    dtypes: ClassVar[tuple[str, ...]] = (*FLOATS, *INTEGERS)
    """The dtypes that a field can have; the first is that of most tests."""
    splices: ClassVar[bool] = True
    """Whether what is untouched keeps its bytes; else it keeps its values."""
    has_nan: ClassVar[bool] = True
    """Whether a float can be NaN."""
    can_be_empty: ClassVar[bool] = True
    """Whether there are files without elements."""
    options: ClassVar[tuple[object, ...]] = ()
    """What the command line needs for files of this format."""
    closes: ClassVar[bool] = True
    """Whether a file that has lost its end can be told from a whole one."""

    def write(self, path: Path, columns: Columns) -> None:
        """Write a file of the format with the format's own software, or any but noisify."""
        raise NotImplementedError

    def read(self, path: Path) -> Columns:
        """Read such a file with other software than noisify, dtypes kept."""
        raise NotImplementedError

    def specimens(self, folder: Path) -> Iterator[Path]:
        """Write files with neighbours of every type, storage and filter that the format has."""
        yield self.make(folder, 100)

    def neighbours(self, path: Path) -> Mapping[str, Hashable]:
        """Read all of a specimen but its first field, with a reader that did not write it.

        noisify writes the noisy file, so any other reader will do for that; where the format has
        several, this should be another one than that of `read`.
        """
        others = {name: values.tobytes() for name, values in self.read(path).items()}
        others.pop(self.names[0])
        return others

    def values(self, count: int, dtype: str | None = None) -> dict[str, NDArray]:
        """Return values for the fields that every dtype can hold."""
        dtype = dtype or self.dtypes[0]
        counted = np.arange(count) % 100 + 10
        return {name: (counted + at).astype(dtype) for at, name in enumerate(self.names)}

    def expected(self, count: int, scale: float | NDArray, dtype: str | None = None) -> NDArray:
        """Return what the first field's values become: noise is added, whole numbers stay so."""
        before = self.values(count, dtype)[self.names[0]]
        noise = scale * normal_noise(self.names[0], count)
        if before.dtype.kind == "f":
            return (before.astype("f8") + noise).astype(before.dtype)
        bounds = np.iinfo(before.dtype)
        whole = np.clip(before.astype("i8") + np.rint(noise), bounds.min, bounds.max)
        return whole.astype(before.dtype)

    def make(self, folder: Path, count: int, dtype: str | None = None) -> Path:
        path = folder / f"in{self.suffix}"
        self.write(path, self.values(count, dtype))
        return path

    def run(self, source: Path, *arguments: object, name: str = "out") -> Path:
        target = source.with_name(name + self.suffix)
        chosen = ("-c", self.names[0], "--seed", 1)
        done = run(source, "-o", target, *chosen, *self.options, *arguments)
        assert (0, b"") == (done.status, done.output), done.messages
        return target

    def same(self, one: Path, other: Path) -> None:
        if self.splices:
            assert one.read_bytes() == other.read_bytes()
        else:
            self.equal(self.read(one), self.read(other))

    @staticmethod
    def equal(one: Columns, other: Columns) -> None:
        assert list(one) == list(other)
        for name in one:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_array_equal(one[name], other[name])

    def test_noise_in_proportion_to_the_values_tells_that_they_were_read(self, tmp_path):
        source = self.make(tmp_path, 100)
        before = self.read(source)
        self.equal(self.values(100), before)

        found = self.read(self.run(source, "-s", "10%"))[self.names[0]]

        shares = np.abs(before[self.names[0]].astype("f8")) * 0.1
        np.testing.assert_array_equal(self.expected(100, shares), found)

    def test_noise_is_that_of_the_field_and_the_seed(self, tmp_path):
        source = self.make(tmp_path, 20_000)

        found = self.read(self.run(source, "-s", 0.5))[self.names[0]]

        np.testing.assert_array_equal(self.expected(20_000, 0.5), found)

    def test_zero_noise_is_identity(self, tmp_path):
        source = self.make(tmp_path, 1000)

        self.same(source, self.run(source, "-s", 0))

    def test_other_fields_keep_their_values_and_their_order(self, tmp_path):
        source = self.make(tmp_path, 1000)

        found = self.read(self.run(source, "-s", 1))

        assert list(self.names) == list(found)
        for name in self.names[1:]:
            np.testing.assert_array_equal(self.values(1000)[name], found[name])

    def test_what_was_not_chosen_is_as_it_was_to_another_reader(self, tmp_path):
        for source in self.specimens(tmp_path):
            before = self.neighbours(source)

            after = self.neighbours(self.run(source, "-s", 3))

            assert before == after, source.name

    def test_a_file_without_elements_passes_through(self, tmp_path):
        if not self.can_be_empty:
            pytest.skip("there are no such files")
        source = self.make(tmp_path, 0)

        self.same(source, self.run(source, "-s", 1))

    def test_a_single_element_gets_noise(self, tmp_path):
        source = self.make(tmp_path, 1)

        found = self.read(self.run(source, "-s", 3))[self.names[0]]

        assert self.expected(1, 3).tolist() == found.tolist()

    def test_what_is_not_a_number_stays(self, tmp_path):
        if not self.has_nan:
            pytest.skip("there is no NaN in it")
        source = tmp_path / f"in{self.suffix}"
        values = self.values(9)
        values[self.names[0]][[2, 8]] = np.nan
        self.write(source, values)

        found = self.read(self.run(source, "-s", 1))[self.names[0]]

        assert [2, 8] == np.flatnonzero(np.isnan(found)).tolist()

    def test_every_dtype_is_kept_and_noised(self, tmp_path):
        for dtype in self.dtypes:
            source = self.make(tmp_path, 50, dtype)

            found = self.read(self.run(source, "-s", 3))[self.names[0]]

            expected = self.expected(50, 3, dtype)
            assert expected.dtype == found.dtype
            np.testing.assert_array_equal(expected, found, err_msg=dtype)

    def test_the_bytes_do_not_depend_on_how_the_file_is_cut(self, tmp_path):
        source = self.make(tmp_path, 20_000)

        written = {
            self.run(source, "-s", "0.1sd", *cut, name=f"out{at}").read_bytes()
            for at, cut in enumerate(CUTS)
        }

        assert len(written) == 1

    def test_a_pipe_gives_the_bytes_that_a_file_gives(self, tmp_path):
        source = self.make(tmp_path, 3000)
        form = ("--from", self.format_name(), "-c", self.names[0], "-q", *self.options)

        piped = run(*form, "-s", "0.1sd", "--seed", 1, given=source.read_bytes())

        assert piped.status == 0, piped.messages
        assert self.run(source, "-s", "0.1sd").read_bytes() == piped.output

    def format_name(self) -> str:
        from noisify import formats  # noqa: PLC0415 - only here

        entry = formats.of_suffix(self.suffix)
        assert entry is not None
        return entry.name

    def test_in_place_gives_what_another_file_would_hold(self, tmp_path):
        source = self.make(tmp_path, 500)
        expected = self.run(source, "-s", 1).read_bytes()

        done = run(source, "--in-place", "-c", self.names[0], "-s", 1, "--seed", 1, *self.options)

        assert done.status == 0, done.messages
        assert expected == source.read_bytes()

    def test_a_file_cut_short_is_one_line_and_leaves_what_was_there(self, tmp_path):
        if not self.closes:
            pytest.skip("a shorter file is a file")
        source = self.make(tmp_path, 20_000)
        source.write_bytes(source.read_bytes()[:-5000])
        target = tmp_path / f"out{self.suffix}"
        target.write_bytes(b"before")

        done = run(source, "-o", target, "-c", self.names[0], "-s", 1, "--seed", 1, *self.options)

        assert (3, 1) == (done.status, len(done.lines)), done.messages
        assert source.name in done.messages
        assert target.read_bytes() == b"before"
        assert [source.name, target.name] == sorted(path.name for path in tmp_path.iterdir())

    def test_a_full_disk_is_one_line(self, tmp_path):
        source = self.make(tmp_path, 20_000)

        done = run(
            source, "-o", "/dev/full", "-c", self.names[0], "-s", 1, "--seed", 1, *self.options
        )

        assert (1, 1) == (done.status, len(done.lines)), done.messages
        assert "/dev/full" in done.messages
        assert [source.name] == [path.name for path in tmp_path.iterdir()]

    def test_a_field_that_is_not_there_is_named(self, tmp_path):
        source = self.make(tmp_path, 10)

        done = run(source, "-o", tmp_path / "no", "-c", "nowhere", *self.options)

        assert (2, 1) == (done.status, len(done.lines)), done.messages
        assert "nowhere" in done.messages
