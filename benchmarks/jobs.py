"""What is compared with what, and how many times as fast noisify has to be."""

from __future__ import annotations

from dataclasses import dataclass, field

from measure import HERE, Command

FLOATS = ("temperature", "humidity", "pressure", "wind", "flux", "ratio")
ONE_SHORT_ONE_LONG = ("temperature", "flux")
TEN = tuple(f"{kind}{number}" for number in range(5) for kind in ("short", "long"))
# Rounded, the usual scale of 0.1 would leave nearly every pixel as it was.
IMAGE_SCALE = "10"
# At most 1.5 times the time of the other side.
AT_MOST_HALF_MORE = 1 / 1.5
MEMORY_LIMIT_MEGABYTES = 300

PURE = (("NOISIFY_PURE", "1"),)
COMPILED = "compiled"


@dataclass(frozen=True, kw_only=True)
class Rival:
    """What noisify is compared with in a job.

    Attributes:
        command: How it is run.
        targets: How many times as fast noisify has to be, by the name of noisify's side.
        core: Whether `make bench` runs it.
    """

    command: Command
    targets: dict[str, float] = field(default_factory=dict)
    core: bool = True


@dataclass(frozen=True, kw_only=True)
class Job:
    """Sides of noisify against rivals, on one generated file, by turns.

    Attributes:
        name: What the table calls it.
        file: The generated input; None: there is none.
        sides: How noisify is run.
        rivals: What it is compared with.
        megabytes: The size of the input, unless another is asked for.
        short: Whether its runs are so short that twenty of them are needed.
    """

    name: str
    file: str | None
    sides: tuple[Command, ...]
    rivals: tuple[Rival, ...]
    megabytes: int = 300
    short: bool = False


def noisify(
    columns: str,
    level: tuple[str, str] = ("-s", "0.1"),
    *,
    name: str = "noisify",
    environment: tuple[tuple[str, str], ...] = (),
) -> Command:
    """Return a noisify command for columns and a level."""
    noise = ("-d", "normal", *level, "--seed", "42", "-c", columns, "-q")
    return Command(
        name=name,
        arguments=("-m", "noisify", "{source}", "-o", "{target}", *noise),
        environment=environment,
    )


def script(name: str, *arguments: str) -> Command:
    """Return the command of a rival script."""
    path = str(HERE / "rivals" / f"{name}.py")
    return Command(name=name, arguments=(path, "{source}", "{target}", *arguments))


def csv_job(name: str, file: str, columns: tuple[str, ...], *rivals: Rival) -> Job:
    """Return a job of CSV, with and without the compiled part."""
    chosen = ",".join(columns)
    sides = (
        noisify(chosen, name="pure", environment=PURE),
        noisify(chosen, name=COMPILED, environment=(("NOISIFY_PURE", ""),)),
    )
    return Job(name=name, file=file, sides=sides, rivals=rivals)


def csv_rival(
    library: str,
    columns: tuple[str, ...],
    pure: float | None = None,
    compiled: float | None = None,
    *,
    core: bool = True,
) -> Rival:
    """Return a CSV rival; its targets without and with the compiled part, where there are some."""
    reach = {"pure": pure, COMPILED: compiled}
    targets = {side: target for side, target in reach.items() if target is not None}
    return Rival(command=script(f"csv_{library}", *columns), targets=targets, core=core)


def plain_job(name: str, file: str, columns: str, *rivals: Rival, megabytes: int = 300) -> Job:
    """Return a job in which noisify has one side."""
    sides = (noisify(columns),)
    return Job(name=name, file=file, sides=sides, rivals=rivals, megabytes=megabytes)


def rival(name: str, *arguments: str, target: float | None = None, core: bool = True) -> Rival:
    """Return a rival script of a job in which noisify has one side."""
    targets = {} if target is None else {"noisify": target}
    return Rival(command=script(name, *arguments), targets=targets, core=core)


def parquet_job(codec: str, *, core: bool) -> Job:
    """Return a job of Parquet with a codec."""
    return plain_job(
        f"parquet-{codec}",
        f"{codec}.parquet",
        ",".join(FLOATS),
        rival("parquet_polars", codec, *FLOATS, target=1.1),
        rival("parquet_pyarrow", codec, *FLOATS, target=1.9),
        rival("parquet_pandas", codec, *FLOATS, core=core),
    )


def level_job(name: str, file: str, columns: str, level: tuple[str, str]) -> Job:
    """Return a job that compares a level of the whole field, two passes, with an absolute one."""
    absolute = Rival(
        command=noisify(columns, name="absolute"), targets={"two-pass": AT_MOST_HALF_MORE}
    )
    return Job(
        name=name, file=file, sides=(noisify(columns, level, name="two-pass"),), rivals=(absolute,)
    )


def start_up_job(name: str, option: str, status: int = 0) -> Job:
    """Return a job that compares a quick answer with Python importing click."""
    side = Command(name="noisify", arguments=("-m", "noisify", option), status=status)
    click = Command(name="import click", arguments=("-c", "import click"))
    rivals = (Rival(command=click, targets={"noisify": AT_MOST_HALF_MORE}),)
    return Job(name=name, file=None, sides=(side,), rivals=rivals, short=True)


JOBS = (
    csv_job(
        "csv-2-of-10",
        "table.csv",
        ONE_SHORT_ONE_LONG,
        csv_rival("polars", ONE_SHORT_ONE_LONG, 1.1, 2.2),
    ),
    csv_job(
        "csv-6-of-10",
        "table.csv",
        FLOATS,
        csv_rival("polars", FLOATS, 0.8, 1.6),
        csv_rival("duckdb", FLOATS, 1.5, 3),
        csv_rival("pandas", FLOATS, 8, 15),
        csv_rival("pyarrow", FLOATS, core=False),
    ),
    csv_job("csv-10-of-10", "floats.csv", TEN, csv_rival("polars", TEN, 0.7, 1.3)),
    csv_job(
        "csv-quoted",
        "quoted.csv",
        FLOATS,
        csv_rival("polars", FLOATS, compiled=1.6),
        csv_rival("pandas", FLOATS, core=False),
    ),
    plain_job(
        "csv-gzip",
        "table.csv.gz",
        ",".join(FLOATS),
        rival("csv_gzip_polars", *FLOATS, target=2),
        rival("csv_pandas", *FLOATS, target=2, core=False),
    ),
    plain_job(
        "npy-float64",
        "float64.npy",
        "data",
        rival("npy_numpy", target=4),
        rival("npy_blocks_numpy", target=4),
        rival("npy_numpy_legacy", core=False),
        megabytes=1000,
    ),
    Job(
        name="npy-uint8",
        file="uint8.npy",
        sides=(noisify("data", ("-s", IMAGE_SCALE)),),
        rivals=(
            rival("npy_uint8_numpy", target=2.5),
            rival("npy_uint8_images_numpy", target=2.5),
        ),
    ),
    parquet_job("snappy", core=False),
    parquet_job("zstd", core=False),
    plain_job(
        "hdf5-contiguous",
        "contiguous.h5",
        "entry/data",
        rival("hdf5_h5py", target=3),
        megabytes=1000,
    ),
    plain_job("hdf5-gzip", "gzip.h5", "entry/data", rival("hdf5_h5py", target=1.6)),
    level_job("csv-0.1sd", "table.csv", ",".join(FLOATS), ("-s", "0.1sd")),
    level_job("csv-snr", "table.csv", ",".join(FLOATS), ("--snr", "20")),
    level_job("parquet-0.1sd", "snappy.parquet", ",".join(FLOATS), ("-s", "0.1sd")),
    level_job("npy-snr", "float64.npy", "data", ("--snr", "20")),
    level_job("hdf5-0.1sd", "gzip.h5", "entry/data", ("-s", "0.1sd")),
    start_up_job("help", "--help"),
    start_up_job("version", "--version"),
    start_up_job("usage-error", "--no-such-option", status=2),
    Job(
        name="csv-100-rows",
        file="hundred.csv",
        sides=(noisify(",".join(FLOATS)),),
        rivals=(Rival(command=script("csv_pandas", *FLOATS), targets={"noisify": 3}),),
        short=True,
    ),
)

CORE = (
    *("csv-2-of-10", "csv-6-of-10", "csv-10-of-10", "csv-quoted", "csv-gzip"),
    *("npy-float64", "npy-uint8", "parquet-snappy", "hdf5-contiguous", "hdf5-gzip"),
    *("csv-0.1sd", "npy-snr", "help", "version", "usage-error", "csv-100-rows"),
)
"""What `make bench` runs: each line of the table once, in about ten minutes."""

MEMORY_FILES = {
    "table.csv": ",".join(FLOATS),
    "quoted.csv": ",".join(FLOATS),
    "table.csv.gz": ",".join(FLOATS),
    "snappy.parquet": ",".join(FLOATS),
    "zstd.parquet": ",".join(FLOATS),
    "table.arrow": ",".join(FLOATS),
    "float64.npy": "data",
    "uint8.npy": "data",
    "float64.npz": "data",
    "contiguous.h5": "entry/data",
    "gzip.h5": "entry/data",
    "sound.wav": ":number",
    "pages.tiff": ":number",
}
"""Files whose peak memory must not grow with their size, and the fields that get noise."""


def absolute_level(file: str) -> str:
    """Return a scale of noise that changes most values of a generated file."""
    return IMAGE_SCALE if file in {"uint8.npy", "sound.wav", "pages.tiff"} else "0.1"


def memory_sides(file: str) -> tuple[Command, ...]:
    """Return the commands whose memory is measured on a file."""
    columns = MEMORY_FILES[file]
    level = ("-s", absolute_level(file))
    sides = (noisify(columns, level), noisify(columns, ("-s", "0.1sd"), name="two-pass"))
    if file in {"table.csv", "quoted.csv"}:
        return (noisify(columns, level, name="pure", environment=PURE), *sides)
    return sides
