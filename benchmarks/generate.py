"""Generate the large files that the benchmarks read: in pieces, so that memory stays small."""

import argparse
import gzip
import wave
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import BinaryIO, cast

import h5py
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import tifffile
from numpy.typing import NDArray

SEED = 2024
MEGABYTE = 1_000_000

STATUSES = pa.array(["ok", "low battery", "offline", "maintenance"])
# Every note has a comma, so a CSV writer must quote every cell; one in eight holds a quote, one
# in sixteen a line break, as free text in real files does.
NOTES = pa.array(
    [
        f"shelf {i % 40}, row {i}"
        + (' marked "fragile"' if i % 8 == 0 else "")
        + ("\nsee log" if i % 16 == 0 else "")
        for i in range(1000)
    ]
)

CSV_PIECE_ROWS = 2**16
# The row-group size that polars writes; pyarrow writes 2**20, DuckDB about 2**17.
ROW_GROUP_ROWS = 2**18

ARRAY_WIDTH = 1024
IMAGE_SIDE = 256
PIECE_BYTES = 16 * MEGABYTE
SOUND_RATE = 48_000

WIDE_COLUMNS = (10, 100, 1000, 10_000)
# What a cell of the wide tables takes as text, with the comma.
WIDE_CELL_BYTES = 7

HDF5_CHUNKS = (128, 512)
# What gzip and shuffle leave of the drawn exposures is 0.526; a little less here makes the file
# at least as large as it was asked to be.
GZIP_SHARE = 0.52


def table_pieces(rows: int) -> Iterator[pa.Table]:
    """Yield pieces of the benchmark table, for ever: two ids, a time, a text and six floats."""
    for piece in count():
        rng = np.random.default_rng((SEED, piece))
        first = piece * rows
        ids = np.arange(first, first + rows)
        time = np.datetime64("2024-01-01T00:00:00", "ms") + ids * np.timedelta64(1000, "ms")
        status = rng.choice(len(STATUSES), rows, p=[0.9, 0.05, 0.03, 0.02])
        yield pa.table(
            {
                "id": ids,
                "station": rng.integers(1, 5000, rows),
                "time": time,
                "status": STATUSES.take(pa.array(status)),
                "temperature": np.round(rng.normal(21, 4, rows), 2),
                "humidity": np.round(rng.uniform(20, 90, rows), 1),
                "pressure": np.round(rng.normal(1013, 8, rows), 3),
                "wind": rng.gamma(2, 3, rows),
                "flux": rng.normal(0, 250, rows),
                "ratio": rng.random(rows),
            }
        )


def quoted_pieces(rows: int) -> Iterator[pa.Table]:
    """Yield pieces of the benchmark table with a free-text note in every row."""
    for piece in table_pieces(rows):
        note = NOTES.take(pa.array(np.arange(rows) % len(NOTES)))
        yield piece.append_column("note", note)


def float_pieces(rows: int) -> Iterator[pa.Table]:
    """Yield pieces of ten columns of floats, for ever: every other one short."""
    for piece in count():
        rng = np.random.default_rng((SEED, piece))
        columns = {}
        for number in range(5):
            columns[f"short{number}"] = np.round(rng.normal(20, 5, rows), 2)
            columns[f"long{number}"] = rng.normal(0, 250, rows)
        yield pa.table(columns)


def csv_bytes(piece: pa.Table, *, header: bool) -> bytes:
    """Return a piece of a table as CSV."""
    frame = pl.DataFrame(piece)
    return frame.write_csv(include_header=header, datetime_format="%Y-%m-%dT%H:%M:%S").encode()


def write_csv(file: BinaryIO, size: int, pieces: Iterator[pa.Table]) -> None:
    """Write pieces of a table as CSV until the file has the size."""
    while file.tell() < size:
        file.write(csv_bytes(next(pieces), header=file.tell() == 0))


def write_table_csv(file: BinaryIO, size: int) -> None:
    """Write the benchmark table as CSV, no cell of which needs quotes."""
    write_csv(file, size, table_pieces(CSV_PIECE_ROWS))


def write_quoted_csv(file: BinaryIO, size: int) -> None:
    """Write the benchmark table as CSV, with a quoted note in every row."""
    write_csv(file, size, quoted_pieces(CSV_PIECE_ROWS))


def write_float_csv(file: BinaryIO, size: int) -> None:
    """Write ten columns of floats as CSV."""
    write_csv(file, size, float_pieces(CSV_PIECE_ROWS))


def write_gzip_csv(file: BinaryIO, size: int) -> None:
    """Write the benchmark table as CSV, compressed with gzip, as large when unpacked as asked."""
    with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        write_csv(cast("BinaryIO", packed), size, table_pieces(CSV_PIECE_ROWS))


def write_hundred_csv(file: BinaryIO, size: int) -> None:  # noqa: ARG001 - it has its own size
    """Write a hundred rows of the benchmark table as CSV."""
    file.write(csv_bytes(next(table_pieces(100)), header=True))


def wide_table(columns: int, size: int) -> pl.DataFrame:
    """Return columns of short floats: for one size, as many cells however many columns."""
    rng = np.random.default_rng(SEED)
    rows = max(1, size // WIDE_CELL_BYTES // columns)
    cells = np.round(rng.normal(20, 5, (columns, rows)), 3)
    return pl.DataFrame({f"c{number}": values for number, values in enumerate(cells)})


def write_wide_csv(file: BinaryIO, size: int, columns: int) -> None:
    """Write a table of many columns as CSV."""
    wide_table(columns, size).write_csv(file)


def write_wide_parquet(file: BinaryIO, size: int, columns: int) -> None:
    """Write a table of many columns as Parquet."""
    table = wide_table(columns, size).to_arrow()
    pq.write_table(table, file, row_group_size=ROW_GROUP_ROWS)


def write_arrow(file: BinaryIO, size: int) -> None:
    """Write the benchmark table as an Arrow IPC file."""
    pieces = table_pieces(CSV_PIECE_ROWS)
    piece = next(pieces)
    with pa.ipc.new_file(file, piece.schema) as writer:
        while file.tell() < size:
            writer.write_table(piece)
            piece = next(pieces)


def write_parquet(file: BinaryIO, size: int, codec: str) -> None:
    """Write row groups of the benchmark table until the file has the size."""
    pieces = table_pieces(ROW_GROUP_ROWS)
    piece = next(pieces)
    with pq.ParquetWriter(file, piece.schema, compression=codec) as writer:
        while file.tell() < size:
            writer.write_table(piece, row_group_size=ROW_GROUP_ROWS)
            piece = next(pieces)


def write_snappy_parquet(file: BinaryIO, size: int) -> None:
    """Write the benchmark table as Parquet, compressed with Snappy."""
    write_parquet(file, size, "snappy")


def write_zstd_parquet(file: BinaryIO, size: int) -> None:
    """Write the benchmark table as Parquet, compressed with Zstandard."""
    write_parquet(file, size, "zstd")


def write_npy(
    file: BinaryIO,
    size: int,
    dtype: type[np.generic],
    item_shape: tuple[int, ...],
    draw: Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.generic]],
) -> None:
    """Write an NPY file of as many drawn items as the size needs."""
    item_bytes = int(np.prod(item_shape)) * np.dtype(dtype).itemsize
    items = -(-size // item_bytes)
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": (items, *item_shape),
    }
    np.lib.format.write_array_header_1_0(file, header)
    piece_items = max(1, PIECE_BYTES // item_bytes)
    for start in range(0, items, piece_items):
        rng = np.random.default_rng((SEED, start))
        file.write(draw(rng, (min(piece_items, items - start), *item_shape)).tobytes())


def write_float64_npy(file: BinaryIO, size: int) -> None:
    """Write an NPY file of float64 rows."""
    write_npy(file, size, np.float64, (ARRAY_WIDTH,), lambda rng, shape: rng.normal(0, 1, shape))


def write_uint8_npy(file: BinaryIO, size: int) -> None:
    """Write an NPY file of square uint8 images."""
    write_npy(
        file,
        size,
        np.uint8,
        (IMAGE_SIDE, IMAGE_SIDE),
        lambda rng, shape: rng.integers(0, 256, shape, dtype=np.uint8),
    )


def write_npz(file: BinaryIO, size: int) -> None:
    """Write an NPZ archive of one float64 array, stored as it is, called data."""
    with (
        zipfile.ZipFile(file, "w") as archive,
        archive.open(zipfile.ZipInfo("data.npy"), "w", force_zip64=True) as member,
    ):
        write_float64_npy(cast("BinaryIO", member), size)


def write_wav(file: BinaryIO, size: int) -> None:
    """Write a WAV file of two channels of 16 bits."""
    with wave.open(file, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(SOUND_RATE)
        for start in range(0, size, PIECE_BYTES):
            rng = np.random.default_rng((SEED, start))
            count_bytes = min(PIECE_BYTES, size - start)
            samples = rng.normal(0, 3000, (count_bytes // 4, 2)).astype("<i2")
            sound.writeframesraw(samples.tobytes())


def write_tiff(file: BinaryIO, size: int) -> None:
    """Write a TIFF file of 16-bit pages, one after the other, as microscopes do."""
    side = ARRAY_WIDTH
    with tifffile.TiffWriter(file, bigtiff=True) as pages:
        for number in range(-(-size // (side * side * 2))):
            rng = np.random.default_rng((SEED, number))
            page = rng.poisson(1000, (side, side)).astype(np.uint16)
            pages.write(page, contiguous=False, metadata=None)


def write_contiguous_hdf5(file: BinaryIO, size: int) -> None:
    """Write an HDF5 file of one contiguous float64 dataset, entry/data."""
    rows = -(-size // (ARRAY_WIDTH * 8))
    with h5py.File(file, "w") as root:
        dataset = root.create_dataset("entry/data", (rows, ARRAY_WIDTH), np.float64)
        dataset.attrs["unit"] = "V"
        piece_rows = PIECE_BYTES // (ARRAY_WIDTH * 8)
        for start in range(0, rows, piece_rows):
            rng = np.random.default_rng((SEED, start))
            stop = min(start + piece_rows, rows)
            dataset[start:stop] = rng.normal(0, 1, (stop - start, ARRAY_WIDTH))


def write_gzip_hdf5(file: BinaryIO, size: int) -> None:
    """Write an HDF5 file of one float32 dataset in gzip chunks, entry/data.

    The values are drawn as a detector gives them: multiples of a gain, so they compress.
    """
    rows = int(size / GZIP_SHARE) // (ARRAY_WIDTH * 4)
    with h5py.File(file, "w") as root:
        dataset = root.create_dataset(
            "entry/data",
            (rows, ARRAY_WIDTH),
            np.float32,
            chunks=HDF5_CHUNKS,
            compression="gzip",
            shuffle=True,
        )
        dataset.attrs["unit"] = "nJy"
        # Whole chunks at a time, so that none is compressed twice.
        piece_rows = HDF5_CHUNKS[0] * 16
        for start in range(0, rows, piece_rows):
            rng = np.random.default_rng((SEED, start))
            stop = min(start + piece_rows, rows)
            electrons = rng.poisson(200, (stop - start, ARRAY_WIDTH))
            dataset[start:stop] = electrons.astype(np.float32) * np.float32(0.37)


WRITERS: dict[str, Callable[[BinaryIO, int], None]] = {
    "table.csv": write_table_csv,
    "quoted.csv": write_quoted_csv,
    "floats.csv": write_float_csv,
    "table.csv.gz": write_gzip_csv,
    "hundred.csv": write_hundred_csv,
    "table.arrow": write_arrow,
    "snappy.parquet": write_snappy_parquet,
    "zstd.parquet": write_zstd_parquet,
    "float64.npy": write_float64_npy,
    "uint8.npy": write_uint8_npy,
    "contiguous.h5": write_contiguous_hdf5,
    "gzip.h5": write_gzip_hdf5,
    "float64.npz": write_npz,
    "sound.wav": write_wav,
    "pages.tiff": write_tiff,
    **{f"wide{n}.csv": partial(write_wide_csv, columns=n) for n in WIDE_COLUMNS},
    **{f"wide{n}.parquet": partial(write_wide_parquet, columns=n) for n in WIDE_COLUMNS},
}


def generate(path: Path, size: int) -> None:
    """Write one file of at least a size in bytes, unless it is there already."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # An interrupted run must not leave a short file that the next one takes for whole.
    part = path.with_name(path.name + ".part")
    with part.open("w+b") as file:
        WRITERS[path.name](file, size)
    part.replace(path)


def main() -> None:
    """Read the names and the size from the command line, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(WRITERS))
    parser.add_argument("--dir", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--size", type=float, default=300, metavar="MB")
    options = parser.parse_args()
    for name in options.names or WRITERS:
        generate(options.dir / name, round(options.size * MEGABYTE))


if __name__ == "__main__":
    main()
