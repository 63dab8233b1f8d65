"""Write every file of the sample_data folder, the same bytes each time."""

import argparse
import wave
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

LINE_POINTS = 100

SENSOR_ROWS = 600
SENSOR_IDS = ("007", "012", "031", "104")
# One above 2**53, and only odd ids follow: no float64 can hold any of them.
FIRST_READING_ID = 2**53 + 1
ROWS_PER_ROW_GROUP = 250
FAULTY_ROWS = (50, 147, 244, 341, 438, 535)
NOTES = {
    4: "fan on, door open",
    31: 'label reads "keep dry"',
    77: "moved to shelf 2,\nnext to the window",
    150: 'calibrated, see "log 12", page 3',
    233: "battery changed",
    310: "=not a formula",
    402: "first line\nsecond line, with a comma",
    555: '"quoted", then\nbroken',
}

IMAGE_SIDE = 32

AUDIO_RATE_HZ = 8000
AUDIO_TONE_HZ = 440
# The mean square of the int16 samples is 49_999_943: A**2 / 2, less a little from rounding.
AUDIO_AMPLITUDE = 10_000

SURVEY_SHAPE = (64, 96)
SURVEY_CHUNKS = (32, 32)


def write_line(folder: Path) -> None:
    """Write the points of y = 2 x + 1 as line.csv, and their x alone as line.npy."""
    x = np.linspace(-10, 10, LINE_POINTS)
    y = 2 * x + 1
    rows = [f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    write_text(folder / "line.csv", "x,y\n" + "".join(rows))
    np.save(folder / "line.npy", x.reshape(LINE_POINTS, 1))


def sensor_cells() -> dict[str, list[str]]:
    """Make the sensor table as the text of its cells, before quoting.

    Both files of the table come from this text, so their numbers are the same.
    """
    rng = np.random.default_rng(7)
    row = np.arange(SENSOR_ROWS)
    day = 2 * np.pi * row / SENSOR_ROWS
    temperature = 21.5 + 3 * np.sin(day) + rng.normal(0, 0.4, SENSOR_ROWS)
    humidity = 45 - 8 * np.sin(day) + rng.normal(0, 1.5, SENSOR_ROWS)
    pressure = 1013.25 + np.cumsum(rng.normal(0, 0.05, SENSOR_ROWS))
    count = rng.poisson(12, SENSOR_ROWS)
    status = rng.choice(["ok", "low battery", "offline"], SENSOR_ROWS, p=[0.9, 0.06, 0.04])
    offline = status == "offline"
    start = datetime(2024, 3, 1, 6, 0, tzinfo=UTC)
    return {
        "time": [f"{start + timedelta(minutes=i):%Y-%m-%dT%H:%M:%SZ}" for i in range(SENSOR_ROWS)],
        "sensor_id": [SENSOR_IDS[i % len(SENSOR_IDS)] for i in range(SENSOR_ROWS)],
        "reading_id": [str(FIRST_READING_ID + 2 * i) for i in range(SENSOR_ROWS)],
        "temperature": decimals(temperature, 2, gaps=offline | np.isin(row, FAULTY_ROWS)),
        "humidity": decimals(humidity, 1, gaps=offline),
        "pressure_hpa": decimals(pressure, 3, gaps=np.zeros(SENSOR_ROWS, dtype=np.bool_)),
        "count": [str(value) for value in count.tolist()],
        "status": [str(value) for value in status.tolist()],
        "note": [NOTES.get(i, "") for i in range(SENSOR_ROWS)],
    }


def decimals(values: NDArray[np.float64], places: int, *, gaps: NDArray[np.bool_]) -> list[str]:
    """Write numbers with a fixed count of decimals, and nothing where there is a gap."""
    return [
        "" if gap else f"{value:.{places}f}"
        for value, gap in zip(values.tolist(), gaps.tolist(), strict=True)
    ]


def write_sensors_csv(folder: Path, cells: dict[str, list[str]]) -> None:
    """Write the sensor table as sensors.csv, quoting only the cells that need it."""
    lines = [",".join(cells)]
    lines += [",".join(map(quoted, record)) for record in zip(*cells.values(), strict=True)]
    write_text(folder / "sensors.csv", "\n".join(lines) + "\n")


def quoted(cell: str) -> str:
    """Quote one CSV cell where RFC 4180 asks for it."""
    if any(character in cell for character in ',"\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def write_sensors_parquet(folder: Path, cells: dict[str, list[str]]) -> None:
    """Write the sensor table as sensors.parquet, typed, in three row groups."""
    schema = pa.schema(
        [
            pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field("sensor_id", pa.string()),
            pa.field("reading_id", pa.int64(), nullable=False),
            pa.field("temperature", pa.float64(), metadata={"unit": "degC"}),
            pa.field("humidity", pa.float64(), metadata={"unit": "%"}),
            pa.field("pressure_hpa", pa.float64(), metadata={"unit": "hPa"}),
            pa.field("count", pa.int32()),
            pa.field("status", pa.string()),
            pa.field("note", pa.string()),
        ]
    )
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(pd.Series(cells["time"])),
            "sensor_id": cells["sensor_id"],
            "reading_id": [int(cell) for cell in cells["reading_id"]],
            "temperature": [float(cell or "nan") for cell in cells["temperature"]],
            "humidity": [float(cell or "nan") for cell in cells["humidity"]],
            "pressure_hpa": [float(cell) for cell in cells["pressure_hpa"]],
            "count": [int(cell) for cell in cells["count"]],
            "status": cells["status"],
            "note": [cell or None for cell in cells["note"]],
        }
    )
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    # Arrow keeps the pandas entry here; the two others are plain keys, as a data logger adds.
    metadata = {**table.schema.metadata, b"station": b"greenhouse 3", b"license": b"CC0-1.0"}
    pq.write_table(
        table.replace_schema_metadata(metadata),
        folder / "sensors.parquet",
        row_group_size=ROWS_PER_ROW_GROUP,
        compression="zstd",
    )


def write_images(folder: Path) -> None:
    """Write twelve drawn uint8 images, 32 x 32 each, as images.npy."""
    y, x = np.mgrid[0:IMAGE_SIDE, 0:IMAGE_SIDE]
    middle = (IMAGE_SIDE - 1) / 2
    distance = np.hypot(x - middle, y - middle)
    step = 255 / (IMAGE_SIDE - 1)
    gradients = [x * step, y * step, 255 - x * step, (x + y) * step / 2]
    discs = [np.where(distance < radius, 220, 30) for radius in (4, 8, 12, 15)]
    stripes = [np.where(pixel // width % 2, 200, 55) for pixel in (x, y) for width in (2, 4)]
    images = np.stack([*gradients, *discs, *stripes])
    np.save(folder / "images.npy", np.rint(images).astype(np.uint8))


def write_audio(folder: Path) -> None:
    """Write one second of a sine tone as audio.npy and audio.wav: int16 of a known power."""
    second = np.arange(AUDIO_RATE_HZ) / AUDIO_RATE_HZ
    tone = AUDIO_AMPLITUDE * np.sin(2 * np.pi * AUDIO_TONE_HZ * second)
    samples = np.rint(tone).astype("<i2")
    np.save(folder / "audio.npy", samples)
    with wave.open(str(folder / "audio.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(samples.itemsize)
        file.setframerate(AUDIO_RATE_HZ)
        file.writeframes(samples.tobytes())


def write_survey(folder: Path) -> None:
    """Write a small survey image with its errors, times and labels as survey.h5."""
    rng = np.random.default_rng(11)
    height, width = SURVEY_SHAPE
    y, x = np.mgrid[0:height, 0:width]
    sky = 40 + 900 * np.exp(-((x - 60) ** 2 + (y - 25) ** 2) / 60)
    counts = rng.poisson(sky).astype(np.int32)
    flux = (counts * 0.37).astype(np.float32)
    flux_err = (np.sqrt(counts + 1.0) * 0.37).astype(np.float32)
    # Dead pixels: values that noise must leave alone.
    flux[[3, 17, 40], [5, 80, 33]] = np.nan

    with h5py.File(folder / "survey.h5", "w") as file:
        file.attrs["title"] = "Sample survey"
        file.attrs["format_version"] = 2
        file.attrs["centre_deg"] = np.array([150.1, 2.2])
        entry = file.create_group("entry")
        entry.attrs["instrument"] = "drawn by a script"
        data = entry.create_group("data")
        data.attrs["axes"] = ["y", "x"]

        for name, values, unit in [
            ("counts", counts, "count"),
            ("flux", flux, "nJy"),
            ("flux_err", flux_err, "nJy"),
        ]:
            dataset = data.create_dataset(
                name, data=values, chunks=SURVEY_CHUNKS, compression="gzip", shuffle=True
            )
            dataset.attrs["unit"] = unit
        data["flux"].attrs["valid_range"] = np.array([0.0, 1000.0], dtype=np.float32)
        data["flux"].attrs["gain"] = 0.37

        time = entry.create_dataset("time", data=np.arange(height) * 0.25)
        time.attrs["unit"] = "s"
        entry.create_dataset("label", data=[f"row {i:03d}" for i in range(height)])
        entry.create_dataset("exposure", data=np.float64(16.0))
        file["latest"] = h5py.SoftLink("/entry/data/flux")


def write_text(path: Path, text: str) -> None:
    """Write text with the line ends it has, on every system."""
    path.write_text(text, encoding="utf-8", newline="")


def write_all(folder: Path) -> None:
    """Write every sample file into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = sensor_cells()
    write_line(folder)
    write_sensors_csv(folder, cells)
    write_sensors_parquet(folder, cells)
    write_images(folder)
    write_audio(folder)
    write_survey(folder)


def main() -> None:
    """Read the folder from the command line, and write the files there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    write_all(parser.parse_args().folder)


if __name__ == "__main__":
    main()
