"""Files that are none of the formats, and what to do instead; recognised so that they get a hint.

Only what tells them apart for sure is looked at: a table may well start with the letters BM, which
a bitmap starts with, so a bitmap is known by its suffix alone.
"""

from __future__ import annotations

_SHEET = (
    "is a spreadsheet, or another Office file",
    "save its table as CSV first, as pandas.read_excel(FILE).to_csv(OUTPUT, index=False) does",
)
_JSON = (
    "is JSON",
    "convert it to CSV first, as pandas.read_json(FILE).to_csv(OUTPUT, index=False) does",
)
_LINES = (
    "is JSON lines",
    "convert it to CSV first, as pandas.read_json(FILE, lines=True).to_csv(OUTPUT) does",
)
_LOSSY_IMAGE = ("is an image whose compression would alter the noise", "convert it to PNG first")
_IMAGE = ("is an image in a format that is not read", "convert it to PNG or TIFF first")
_LOSSY_AUDIO = ("is audio whose compression would alter the noise", "convert it to WAV first")
_AUDIO = ("is audio in a format that is not read", "convert it to WAV first")

_STARTS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _SHEET),
    (b"\xff\xd8\xff", _LOSSY_IMAGE),
    (b"GIF87a", _IMAGE),
    (b"GIF89a", _IMAGE),
    (b"\0\0\0\x0cjP  \r\n", _LOSSY_IMAGE),
    (b"fLaC\0", _AUDIO),
    (b"OggS\0", _LOSSY_AUDIO),
    (b"ID3\x02", _LOSSY_AUDIO),
    (b"ID3\x03", _LOSSY_AUDIO),
    (b"ID3\x04", _LOSSY_AUDIO),
)
_SUFFIXES = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), _SHEET),
    ".json": _JSON,
    **dict.fromkeys((".jsonl", ".ndjson"), _LINES),
    **dict.fromkeys((".jpg", ".jpeg", ".jp2", ".webp", ".heic", ".avif"), _LOSSY_IMAGE),
    **dict.fromkeys((".gif", ".bmp", ".ppm", ".pgm"), _IMAGE),
    **dict.fromkeys((".mp3", ".ogg", ".opus", ".m4a", ".aac"), _LOSSY_AUDIO),
    **dict.fromkeys((".flac", ".aif", ".aiff", ".au"), _AUDIO),
}
SUFFIXES = frozenset({*_SUFFIXES, ".zip"})
"""File name suffixes of such files, in lower case."""


def refusal(head: bytes, suffix: str) -> str | None:
    """Return why a file is not read and what to do instead; None if nothing is known against it.

    Args:
        head: The file's first bytes.
        suffix: Its name's suffix in lower case; empty to go by the bytes alone.
    """
    found = next((kind for magic, kind in _STARTS if head.startswith(magic)), None)
    if _is_office(head):
        found = _SHEET
    found = _SUFFIXES.get(suffix, found)
    return None if found is None else f"{found[0]}; {found[1]}"


def _is_office(head: bytes) -> bool:
    """Return whether a file starts as a ZIP archive that holds a document does."""
    if not head.startswith(b"PK\x03\x04"):
        return False
    length = int.from_bytes(head[26:28], "little")
    first = head[30 : 30 + length]
    starts = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/")
    return first.startswith(starts) or (first == b"mimetype" and b"opendocument" in head[38:200])
