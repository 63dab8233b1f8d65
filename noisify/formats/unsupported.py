"""The table of unsupported file formats, with advice on what to do instead.

A format is recognised by its first bytes if they are distinctive, whatever the file's name. Bitmaps
are recognised by their suffix alone, since a table may start with their magic letters BM as well.
"""

from __future__ import annotations

import codecs
import json
import re
from functools import cache
from typing import NamedTuple


class Kind(NamedTuple):
    """An unsupported file format.

    Attributes:
        what: The noun for such a file, to follow "is".
        instead: The advice on what to do.
        suffixes: The file name suffixes, separated by spaces.
        starts: A regular expression for the first bytes, or empty if they are not distinctive.
    """

    what: str
    instead: str
    suffixes: str = ""
    starts: bytes = b""


_TO_CSV = "(FILE).to_csv(OUTPUT, index=False)"
_FIRST_TABLE = "save its table as CSV or Parquet first"
_FIRST_ARRAYS = "save its arrays with numpy.savez first"

KINDS = (
    Kind(
        "a spreadsheet, or another Office file",
        f"save its table as CSV first, as pandas.read_excel{_TO_CSV} does",
        ".xlsx .xlsm .xlsb .xls .ods",
        rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        rb"|PK\x03\x04.{26}(?:\[Content_Types\]\.xml|_rels/|docProps/|xl/)"
        rb"|PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument",
    ),
    Kind(
        "a PyTorch file",
        "save its arrays first, as numpy.savez(OUTPUT, **{k: v.numpy() for k, v in "
        "torch.load(FILE).items()}) does",
        ".pt .pth .ckpt",
        rb"PK\x03\x04.{26}[^/\0]{1,99}/(?:data\.pkl|\.format_version|\.data/|version|byteorder)",
    ),
    Kind(
        "a Python pickle",
        "save it with to_parquet (pandas) or numpy.save first; noisify loads no pickles, for they "
        "can run any code",
        ".pkl .pickle .p .joblib .pckl",
        rb"\x80[\x02-\x05][\x80-\x95\]})(}cKX\x8c\x95qNGI.]"
        rb"|c[\w.]+\n\w+\n(?:p\d+\n)?\(|\((?:lp|dp|tp|i\w)[\w.]*\n",
    ),
    Kind(
        "a FITS file",
        "save its arrays or tables first, as numpy.save(OUTPUT, astropy.io.fits.getdata(FILE)) "
        "does",
        ".fits .fit .fts",
        rb"SIMPLE  =",
    ),
    Kind(
        "a safetensors file",
        "save its arrays first, as numpy.savez(OUTPUT, **safetensors.numpy.load_file(FILE)) does",
        ".safetensors",
        rb"[^\0].{2}[\0-\x05]\0{4}\{\s*[\"}]",
    ),
    Kind(
        "a SQLite database",
        "save a table as CSV first, as sqlite3 -header -csv FILE 'SELECT * FROM t' does",
        ".db .sqlite .sqlite3 .db3 .gpkg",
        rb"SQLite format 3\0",
    ),
    Kind(
        "a MATLAB file older than version 7.3",
        "save it with save(..., '-v7.3') in MATLAB, or numpy.savez(OUTPUT, "
        "**scipy.io.loadmat(FILE)) first",
        ".mat",
        rb"MATLAB 5\.0 MAT-file",
    ),
    Kind(
        "a NetCDF-3 file",
        "convert it to NetCDF-4 first, with nccopy -k nc4 FILE OUTPUT, or xarray.open_dataset"
        "(FILE).to_netcdf(OUTPUT, format='NETCDF4')",
        ".nc3 .cdf",
        rb"CDF[\x01\x02\x05]",
    ),
    Kind("an HDF4 file", "convert it to HDF5 first, with h4toh5 FILE OUTPUT", ".hdf4",
         rb"\x0e\x03\x13\x01"),
    Kind("a GRIB file", "convert it to NetCDF-4 first, with grib_to_netcdf or cdo -f nc4 copy",
         ".grib .grib2 .grb .grb2", rb"GRIB.{3}[\x01\x02]"),
    Kind("an ORC file", "convert it to Parquet first, as pandas.read_orc(FILE).to_parquet(OUTPUT) "
         "does", ".orc", rb"ORC[\0-\x1f]"),
    Kind("an Avro file", "convert it to Parquet first, as polars.read_avro(FILE).write_parquet"
         "(OUTPUT) does", ".avro", rb"Obj\x01"),
    Kind("an encrypted Parquet file", "decrypt it first", "", rb"PARE"),
    Kind("a Feather V1 file", "write it anew with pyarrow.feather.write_feather", "", rb"FEA1"),
    Kind("an R data file", f"{_FIRST_TABLE}, with write.csv in R", ".rds .rda .rdata",
         rb"RD[XA][23]\n|X\n\0{3}[\x02\x03]"),
    Kind("a Stata file", f"save its table as CSV first, as pandas.read_stata{_TO_CSV} does",
         ".dta", rb"<stata_dta>"),
    Kind("an SPSS file", f"save its table as CSV first, as pandas.read_spss{_TO_CSV} does",
         ".sav .zsav .por", rb"\$FL[23]@\(#\)"),
    Kind("a SAS file", f"save its table as CSV first, as pandas.read_sas{_TO_CSV} does",
         ".sas7bdat .xpt", rb"\0{12}\xc2\xea\x81`|HEADER RECORD\*{7}LIBRARY HEADER"),
    Kind("a dBASE table", _FIRST_TABLE, ".dbf"),
    Kind("a shapefile", f"{_FIRST_TABLE}, with ogr2ogr", ".shp .shx", rb"\0\0'\n\0{20}"),
    Kind("a database of Microsoft Access", _FIRST_TABLE, ".mdb .accdb",
         rb"\0\x01\0\0Standard (?:Jet|ACE) DB"),
    Kind("a DuckDB database", "save a table first: duckdb FILE \"COPY t TO 'OUT.parquet'\"",
         ".duckdb", rb".{8}DUCK"),
    Kind("a ROOT file", f"{_FIRST_ARRAYS}, as uproot reads them", ".root", rb"root\0\0"),
    Kind("a NIfTI image", f"{_FIRST_ARRAYS}, as nibabel reads them", ".nii",
         rb"(?:\x5c\x01\0\0|\0\0\x01\x5c).{336}"),
    Kind("a DICOM image", f"{_FIRST_ARRAYS}, as pydicom reads them", ".dcm .dicom",
         rb".{128}DICM"),
    Kind("a LAS point cloud", f"{_FIRST_ARRAYS}, as laspy reads them", ".las .laz", rb"LASF"),
    Kind("a TFRecord file", f"{_FIRST_ARRAYS}, as tensorflow reads them", ".tfrecord .tfrecords"),
    Kind("an ARFF file", f"{_FIRST_TABLE}, as scipy.io.arff.loadarff reads it", ".arff",
         rb"(?i:(?:%[^\n]*\n|\s)*@relation\s)"),
    Kind("an image whose compression would alter the noise", "convert it to PNG first",
         ".jpg .jpeg .jp2 .webp .heic .avif", rb"\xff\xd8\xff|\0\0\0\x0cjP  \r\n|RIFF.{4}WEBP"),
    Kind("an image in a format that is not read", "convert it to PNG or TIFF first",
         ".gif .bmp .ppm .pgm .exr .psd", rb"GIF8[79]a|P[4-6]\s\d+\s\d+\s|8BPS\0\x01"),
    Kind("a video", "noisify adds noise to images one by one: ffmpeg -i FILE frame%05d.png", ""
         ".mp4 .avi .mkv .mov .webm", rb".{4}ftyp|\x1aE\xdf\xa3"),
    Kind("audio whose compression would alter the noise", "convert it to WAV first",
         ".mp3 .ogg .opus .m4a .aac", rb"OggS\0|ID3[\x02-\x04]"),
    Kind("audio in a format that is not read", "convert it to WAV first",
         ".flac .aif .aiff .au .aifc .caf", rb"fLaC\0|FORM.{4}AIF[FC]|\.snd\0"),
    Kind("a PDF document", f"{_FIRST_TABLE}", ".pdf", rb"%PDF-\d"),
    Kind("a ZIP archive", "unpack it first, with unzip FILE", ".zip"),
    Kind("an archive", "unpack it first", ".7z .rar .tar .tgz",
         rb"7z\xbc\xaf'\x1c|Rar!\x1a\x07|.{257}ustar"),
    Kind("a program", "name a file of data", ".exe .so .dll .pyc", rb"\x7fELF|MZ.{58}.{2}\0\0"),
    Kind("a Jupyter notebook", "name the file of data that it reads", ".ipynb"),
    Kind("GeoJSON", "save its table as CSV or its layer as Parquet first, as geopandas.read_file"
         "(FILE).to_parquet(OUTPUT) does", ".geojson"),
    Kind("JSON", f"convert it to CSV first, as pandas.read_json{_TO_CSV} does", ".json .topojson"),
    Kind("JSON lines", "convert it to CSV first, as pandas.read_json(FILE, lines=True)"
         ".to_csv(OUTPUT, index=False) does", ".jsonl .ndjson .geojsonl"),
    Kind("HTML", "save its table as CSV first, as pandas.read_html(FILE)[0].to_csv(OUTPUT, "
         "index=False) does", ".html .htm", rb"(?i:\s*(?:<!doctype html|<html[\s>]))"),
    Kind("XML", f"convert it to CSV first, as pandas.read_xml{_TO_CSV} does",
         ".xml .kml .gpx .svg .gml", rb"\s*<\?xml[\s\w]"),
    Kind("YAML", f"{_FIRST_TABLE}", ".yaml .yml"),
)  # fmt: skip
_BY_SUFFIX = {suffix: kind for kind in KINDS for suffix in kind.suffixes.split()}
_BY_TITLE = {kind.what: kind for kind in KINDS}
SUFFIXES = frozenset(_BY_SUFFIX)
"""The file name suffixes of unsupported formats, in lower case."""
_WORDS = {
    "excel": ".xlsx", "spreadsheet": ".xlsx", "sqlite": ".db", "sql": ".db", "matlab": ".mat",
    "torch": ".pt", "pytorch": ".pt", "jpeg": ".jpg", "r": ".rds", "stata": ".dta",
    "spss": ".sav", "sas": ".sas7bdat", "notebook": ".ipynb",
}  # fmt: skip
"""Suffixes of unsupported formats, by words that users may type for them."""
_JSON_START = re.compile(
    rb"\s*(?:\{\s*(?:\"(?:[^\"\\]|\\.)*\"\s*:|\})|\[\s*(?:\{\s*[\"}]|\[\s*[\[\d\"\]-]))", re.DOTALL
)
_NO_JSON = re.compile(rb"[\w\"]")
"""First characters that rule out a JSON list or object quickly; most tables have one."""
_ELEMENT = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<([A-Za-z_][\w:.-]*)(?:\s[^<>]*)?/?>(?![,;\t|])", re.DOTALL
)


def refusal(head: bytes, suffix: str) -> str | None:
    """Return why a file is not supported and what to do instead; None if it may be.

    Args:
        head: The file's first bytes.
        suffix: The file name's suffix in lower case, or empty to go by the bytes alone.
    """
    found, named = _of_content(head), _BY_SUFFIX.get(suffix)
    if found is _BY_TITLE["JSON"] and named is not None:
        found = named  # JSON lines, GeoJSON and notebooks are JSON, too
    if found is not None:
        return f"is {found.what}; {found.instead}"
    if named is not None:
        return f"is {named.what} by its name; {named.instead}, or add --from if it is not"
    return None


def instead_of(word: str) -> str:
    """Return `; ` and a note on an unsupported format, or an empty string."""
    word = word.casefold().removeprefix(".")
    found = _BY_SUFFIX.get(_WORDS.get(word, f".{word}"))
    return "" if found is None else f"; {found.what} is neither read nor written"


def _of_content(head: bytes) -> Kind | None:
    """Return the unsupported format of a file by its first bytes, or None."""
    for kind, pattern in _patterns():
        if pattern.match(head):
            return kind
    head = head.removeprefix(codecs.BOM_UTF8)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.decode("utf-16", "ignore").encode()
        if re.match(rb"\s*<\?xml[\s\w]", head):
            return _BY_TITLE["XML"]
    if _is_element(head):
        return _BY_TITLE["XML"]
    title = _json_kind(head)
    return None if title is None else _BY_TITLE[title]


@cache
def _patterns() -> list[tuple[Kind, re.Pattern[bytes]]]:
    return [(kind, re.compile(kind.starts, re.DOTALL)) for kind in KINDS if kind.starts]


def _is_element(head: bytes) -> bool:
    """Return whether a text starts with an XML element; a header such as <DATE>,<OPEN> does not."""
    element = _ELEMENT.match(head)
    if element is None:
        return False
    return head[: element.end()].endswith(b"/>") or b"</" in head[element.end() :]


def _json_kind(head: bytes) -> str | None:
    """Return the title of the kind of JSON that a text is; None if it is not JSON."""
    lines = [line for line in head.split(b"\n")[:3] if line.strip()]
    if not lines or _NO_JSON.match(head):
        return None
    first = _parsed(lines[0])
    if (
        isinstance(first, dict | list)
        and len(lines) > 1
        and isinstance(_parsed(lines[1]), type(first))
    ):
        return "JSON lines"
    if _JSON_START.match(head) is None and not isinstance(_parsed(head), dict | list):
        return None
    if re.search(rb'"(?:cell_type|nbformat)"\s*:', head):
        return "a Jupyter notebook"
    if re.search(rb'"type"\s*:\s*"(?:FeatureCollection|Feature|Topology)"', head):
        return "GeoJSON"
    return "JSON"


def _parsed(text: bytes) -> object:
    """Parse a text as JSON; return None if it is not, or is cut off."""
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed
