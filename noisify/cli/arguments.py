"""The command line as it was read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noisify.noise.level import Level
    from noisify.plan.plan import Decimals


class Arguments(SimpleNamespace):
    """The command line as click read it, an attribute for each option; nothing sets them later."""

    inputs: tuple[str, ...]
    model: str | None
    scale: Level | None
    sd: Level | None
    snr: float | None
    rate: str | None
    loc: str | None
    df: str | None
    parameters: tuple[tuple[str, str], ...]
    clip: tuple[float, float] | None
    where: str | None
    seed: int | None
    rng: str | None
    columns: tuple[str, ...]
    exclude: tuple[str, ...]
    output: str | None
    output_dir: str | None
    name_template: str | None
    in_place: bool
    no_clobber: bool
    to_format: str | None
    decimals: Decimals
    report: str | None
    noise: tuple[str, ...]
    recipe: str | None
    presets: tuple[str, ...]
    mask: str | None
    mask_values: bool
    restore: str | None
    sweeps: tuple[tuple[str, str], ...]
    replicates: int | None
    append: bool
    per_file: bool
    same_noise: bool
    from_format: str | None
    delimiter: str | None
    no_header: bool
    nulls: tuple[str, ...]
    encoding: str
    decimal: str
    thousands: str | None
    skip_lines: int
    comment: str | None
    ragged: str
    escape: str | None
    compress_level: int | None
    strict: bool
    jobs: int | None
    chunk_size: int | None
    dry_run: bool
    progress: bool | None
    quiet: bool
    verbose: bool
