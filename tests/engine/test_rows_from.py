"""Batches of a larger table or array get the noise that they have in the whole."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from noisify import NoisifyWarning, UsageError, add_noise

ROWS = 20_000
CUTS = ((0, 1), (1, 8191), (8191, 8200), (8200, 8200), (8200, ROWS))
COLUMNS = {
    "id": np.arange(ROWS),
    "x": np.linspace(-10, 10, ROWS),
    "y": np.linspace(5, 6, ROWS),
    "error": np.full(ROWS, 0.25),
    "note": ["abcdef", "ghij"] * (ROWS // 2),
}
NOISE = {
    "absolute": ["*=normal:0.5"],
    "relative": ["x=laplace:5%", "id=uniform:100"],
    "by another field": ["x=normal:@error"],
    "rate": ["x=missing:10%", "y=spike:5%,scale=3"],
    "runs": ["x=missing:10%,burst=50"],
    "coloured": ["x=ar1:0.5,rho=0.99", f"y=pink:1,length={ROWS}"],
    "drift": [f"x=drift:1,length={ROWS}"],
    "text": ["note=typo:50%"],
    "several fields": [{"model": "swap-fields", "fields": ["x", "y"], "rate": "20%"}],
    "several in a row": ["x=normal:1", "x=normal:2", "x=missing:5%"],
}


def noisy(data, noise, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoisifyWarning)  # a rate may hit none of one row
        return add_noise(data, noise=noise, seed=42, **options)


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_the_pieces_of_a_table_joined_are_the_whole(noise):
    table = pa.table(COLUMNS)
    expected = noisy(table, noise)

    pieces = [noisy(table.slice(start, stop - start), noise, start=start) for start, stop in CUTS]

    assert not expected.equals(table)
    assert expected.equals(pa.concat_tables(pieces))


@pytest.mark.parametrize("noise", [NOISE["absolute"], NOISE["rate"], NOISE["text"]])
@pytest.mark.parametrize("library", ["pandas", "polars", "batches"])
def test_so_are_those_of_other_libraries(library, noise):
    table = pa.table(COLUMNS)
    whole = noisy(table, noise)
    parts = [table.slice(start, stop - start) for start, stop in CUTS]
    match library:
        case "pandas":
            pieces = [part.to_pandas() for part in parts]
            found = [
                noisy(piece, noise, start=np.int32(start))
                for piece, (start, _) in zip(pieces, CUTS, strict=True)
            ]
            joined = pa.Table.from_pandas(pd.concat(found), preserve_index=False)
            assert whole.to_pydict() == joined.to_pydict()
        case "polars":
            found = [
                noisy(pl.DataFrame(part), noise, start=start)
                for part, (start, _) in zip(parts, CUTS, strict=True)
            ]
            assert whole.to_pydict() == pl.concat(found).to_dict(as_series=False)
        case "batches":
            start, found = 0, []
            for batch in table.to_batches(max_chunksize=3000):
                found.append(noisy(batch, noise, start=start))
                start += batch.num_rows
            assert whole.equals(pa.Table.from_batches(found).combine_chunks())


@pytest.mark.parametrize("shape", [(ROWS,), (ROWS // 10, 10), (ROWS // 100, 5, 20)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_rows_of_an_array_are_along_its_first_axis(shape, order):
    array = np.asarray(np.linspace(0, 1, ROWS).reshape(shape), order=order)
    whole = add_noise(array, scale=1, seed=5)
    cut = shape[0] // 3

    pieces = [add_noise(array[:cut], scale=1, seed=5, start=0)]
    pieces.append(add_noise(array[cut:], scale=1, seed=5, start=cut))

    assert np.array_equal(whole, np.concatenate(pieces))


def test_members_of_several_elements_count_as_so_many():
    array = np.zeros(9000, [("x", "f4", (3,)), ("y", "f8")])
    array = np.ma.MaskedArray(array, mask=False)
    whole = add_noise(array, scale=1, seed=5)

    piece = add_noise(array[4000:5000], scale=1, seed=5, start=4000)

    assert np.array_equal(whole["x"][4000:5000], piece["x"])
    assert np.array_equal(whole["y"][4000:5000], piece["y"])


def test_a_start_far_beyond_32_bits_is_a_start():
    x = np.zeros(10)
    far = add_noise(x, scale=1, seed=1, start=10**15)

    assert np.array_equal(far[4:], add_noise(x[4:], scale=1, seed=1, start=10**15 + 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "the sd of the whole field, .* an absolute level such as scale=0.5"),
        ({"scale": "1%range"}, "the range of the whole field"),
        ({"snr": 20}, "the mean square of the whole field, .* absolute level"),
        ({"model": "drift", "scale": 1}, r"the length of the whole field, .*'length': ROWS"),
        ({"model": "shuffle", "rate": 0.5}, "shuffle looks at neighbouring rows"),
        ({"model": "stuck", "rate": 0.5}, "stuck looks at neighbouring rows"),
        ({"scale": 1, "rng": "numpy"}, "needs rng noisify"),
        ({"scale": 1, "start": -1}, "start -1 is not a whole number of at least 0"),
        ({"scale": 1, "start": 0.5}, "start 0.5 is not a whole number"),
        ({"scale": 1, "start": True}, "start True is not a whole number"),
        ({"scale": 1, "start": 2**63}, "not a whole number"),
        ({"scale": 1, "start": 2**63 - 1}, "beyond the 64 bits"),
    ],
)
def test_what_a_part_cannot_have_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        add_noise(np.arange(10.0), **{"seed": 1, "start": 0, **options})


def test_elements_of_lists_have_no_row_to_count_from():
    table = pa.table({"x": [1.0, 2.0], "many": [[1.0], [2.0, 3.0]]})

    with pytest.raises(UsageError, match=r"many.*holds lists"):
        add_noise(table, scale=1, seed=1, start=5)

    assert [[1.0], [2.0, 3.0]] == add_noise(table, scale=1, seed=1, start=5, exclude="many*")[
        "many"
    ].to_pylist()
