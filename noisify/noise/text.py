"""Noise on the text of cells: typing, recognition, encoding and clerical errors."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from noisify.core.overriding import override
from noisify.noise import parameters
from noisify.noise.model import TEXT, NoiseContext, RateModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from noisify.noise.level import Rate
    from noisify.noise.parameters import Words

Option = TypeVar("Option")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LOWER_NEIGHBOURS = {
    "q": "wa", "w": "qeas", "e": "wrsd", "r": "etdf", "t": "ryfg", "y": "tugh", "u": "yihj",
    "i": "uojk", "o": "ipkl", "p": "ol", "a": "qwsz", "s": "adwezx", "d": "sferxc",
    "f": "dgrtcv", "g": "fhtyvb", "h": "gjyubn", "j": "hkuinm", "k": "jliom", "l": "kop",
    "z": "asx", "x": "zcsd", "c": "xvdf", "v": "cbfg", "b": "vngh", "n": "bmhj", "m": "njk",
    "1": "2", "2": "13", "3": "24", "4": "35", "5": "46", "6": "57", "7": "68", "8": "79",
    "9": "80", "0": "9",
}  # fmt: skip
NEIGHBOURS = _LOWER_NEIGHBOURS | {
    key.upper(): near.upper() for key, near in _LOWER_NEIGHBOURS.items() if key.isalpha()
}
"""Adjacent keys on a QWERTY keyboard: letters of letters, digits of digits."""

_LOOK_ALIKES = (
    ("0", "O"), ("0", "o"), ("1", "l"), ("1", "I"), ("l", "I"), ("2", "Z"), ("5", "S"),
    ("6", "G"), ("8", "B"), ("9", "g"), ("rn", "m"), ("cl", "d"), ("vv", "w"), ("c", "e"),
    ("h", "b"), ("u", "v"),
)  # fmt: skip
CONFUSIONS: dict[str, tuple[str, ...]] = {
    piece: tuple(
        other for pair in _LOOK_ALIKES for this, other in (pair, pair[::-1]) if this == piece
    )
    for piece in dict.fromkeys(piece for pair in _LOOK_ALIKES for piece in pair)
}
"""What each shape can be mistaken for, both ways."""


@dataclass(frozen=True, kw_only=True)
class TextModel(RateModel):
    """A model that changes the text of some cells, one change per cell.

    Empty cells stay, and so do cells with bytes that could not be decoded. No cell becomes empty:
    an empty cell may mean a missing value.
    """

    family: ClassVar[str] = "text"
    takes: ClassVar[frozenset[str]] = TEXT
    example: ClassVar[str] = "-c name --rate 5%"
    lanes: ClassVar[tuple[str, ...]] = ()
    """The lanes of the uniform variates that `change` gets, in the order of its arguments."""

    rate: Rate = parameters.rate("share of the cells that are hit", 0.05)

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the texts, with those hit changed."""
        where = self.places_hit(context)
        dice = [context.variates.uniform(lane)[where].tolist() for lane in self.lanes]
        noisy = values.copy()
        for index, *uniforms in zip(where.tolist(), *dice, strict=True):
            text = noisy[index]
            if text and (text.isascii() or not _SURROGATE.search(text)):
                noisy[index] = self.change(text, *uniforms)
        return noisy

    @abstractmethod
    def change(self, text: str, *uniforms: float) -> str:
        """Return a non-empty text after a hit; return it unchanged if no change is possible."""


@dataclass(frozen=True, kw_only=True)
class Typo(TextModel):
    """Typing errors: one slip on a QWERTY keyboard in each cell that is hit.

    neighbour: a letter becomes an adjacent letter, a digit an adjacent digit, in the same case;
    insert: such a key is struck as well, before or after; delete: a letter or digit is left out;
    transpose: two different ones side by side change places; double: one is struck twice. Each kind
    that is possible in the cell is equally likely (name one twice and it is twice as likely), and
    so is each place. Damerau (1964), "A technique for computer detection and correction of spelling
    errors", found four of them behind 80% of all misspellings; the keyboard is that of GeCo (Tran,
    Vatsalan and Christen, CIKM 2013).

    Only letters and digits are changed or inserted, never a delimiter, a quote or a line break. A
    cell in which no kind is possible stays as it is, and so do empty cells and cells with
    undecodable bytes; none becomes empty.
    """

    name: ClassVar[str] = "typo"
    lanes: ClassVar[tuple[str, ...]] = ("kind", "place", "choice")
    KINDS: ClassVar[Words] = ("neighbour", "insert", "delete", "transpose", "double")

    kinds: Words = parameters.texts(
        "the slips that happen, any of " + "|".join(KINDS), KINDS, KINDS
    )

    def change(self, text: str, *uniforms: float) -> str:
        """Return the text with one slip."""
        kind_uniform, place_uniform, choice = uniforms
        places = {kind: _slip_places(kind, text) for kind in self.kinds}
        possible = [kind for kind in self.kinds if places[kind]]
        if not possible:
            return text
        kind = _pick(possible, kind_uniform)
        return _slip(kind, text, _pick(places[kind], place_uniform), choice)


def _slip_places(kind: str, text: str) -> list[int]:
    """Return where in a text a kind of slip is possible."""
    match kind:
        case "neighbour" | "insert":
            return [i for i, character in enumerate(text) if character in NEIGHBOURS]
        case "transpose":
            pairs = enumerate(pairwise(text))
            return [i for i, (a, b) in pairs if a != b and a.isalnum() and b.isalnum()]
        case "delete" if len(text) == 1:
            return []
        case _:
            return [i for i, character in enumerate(text) if character.isalnum()]


def _slip(kind: str, text: str, place: int, choice: float) -> str:
    """Return a text with one slip at a place where it is possible."""
    before, character, after = text[:place], text[place], text[place + 1 :]
    match kind:
        case "neighbour":
            return before + _pick(NEIGHBOURS[character], choice) + after
        case "insert":
            keys = NEIGHBOURS[character]
            struck = [key + character for key in keys] + [character + key for key in keys]
            return before + _pick(struck, choice) + after
        case "transpose":
            return before + after[0] + character + after[1:]
        case "delete":
            return before + after
        case _:
            return before + character + character + after


class Ocr(TextModel):
    """Errors of optical character recognition: one shape taken for another in each cell hit.

    0/O 0/o 1/l 1/I l/I 2/Z 5/S 6/G 8/B 9/g rn/m cl/d vv/w c/e h/b u/v, both ways; each confusion
    that is possible somewhere in the cell is equally likely. GeCo corrupts records with such a
    table (Tran, Vatsalan and Christen, CIKM 2013).

    A cell without such a shape stays as it is, and so do empty cells and cells with undecodable
    bytes.
    """

    name: ClassVar[str] = "ocr"
    lanes: ClassVar[tuple[str, ...]] = ("place",)

    def change(self, text: str, *uniforms: float) -> str:
        """Return the text with one shape mistaken for another."""
        possible = [
            (start, start + width, other)
            for start in range(len(text))
            for width in (1, 2)
            if start + width <= len(text)
            for other in CONFUSIONS.get(text[start : start + width], ())
        ]
        if not possible:
            return text
        start, stop, other = _pick(possible, uniforms[0])
        return text[:start] + other + text[stop:]


@dataclass(frozen=True, kw_only=True)
class Case(TextModel):
    """Changed case: a cell that is hit comes out in capitals, small letters, as a title or swapped.

    upper, lower, title and swap are Unicode's (Python's str.upper, lower, title, swapcase): a
    letter may become two (the German sharp s in capitals). Inconsistent case is what merging
    hand-kept lists leaves behind; the caps-lock key makes `swap`.

    A cell that reads the same afterwards (no letters, or in that case already) stays as it is, and
    so do empty cells and cells with undecodable bytes.
    """

    name: ClassVar[str] = "case"
    CHANGES: ClassVar[dict[str, Callable[[str], str]]] = {
        "upper": str.upper,
        "lower": str.lower,
        "title": str.title,
        "swap": str.swapcase,
    }

    to: str = parameters.text("upper, lower, title or swap", "swap", CHANGES)

    @override
    def change(self, text: str, *uniforms: float) -> str:
        """Return the text in another case."""
        return self.CHANGES[self.to](text)


@dataclass(frozen=True, kw_only=True)
class Whitespace(TextModel):
    """Stray blanks: one blank too many in each cell that is hit.

    leading: in front; trailing: at the end; inner: one of the blanks between words is doubled.
    Each kind that is possible in the cell is equally likely (name one twice and it is twice as
    likely). What copying, padding and joining fields leave behind, and what OpenRefine's "trim
    whitespace" and "collapse consecutive whitespace" repair.

    A cell in which no kind is possible stays as it is, and so do empty cells and cells with
    undecodable bytes.
    """

    name: ClassVar[str] = "whitespace"
    lanes: ClassVar[tuple[str, ...]] = ("kind", "place")
    KINDS: ClassVar[Words] = ("leading", "trailing", "inner")

    kinds: Words = parameters.texts("where the blanks go, any of " + "|".join(KINDS), KINDS, KINDS)

    def change(self, text: str, *uniforms: float) -> str:
        """Return the text with one more blank."""
        first, last = len(text) - len(text.lstrip()), len(text.rstrip())
        places = {
            "leading": [0],
            "trailing": [len(text)],
            "inner": [i for i in range(first, last) if text[i] == " "],
        }
        possible = [kind for kind in self.kinds if places[kind]]
        if not possible:
            return text
        place = _pick(places[_pick(possible, uniforms[0])], uniforms[1])
        return f"{text[:place]} {text[place:]}"


@dataclass(frozen=True, kw_only=True)
class Truncate(TextModel):
    """Cut-off text: a cell that is hit loses its end.

    With keep below 1, that share of its characters (Unicode code points), rounded up, stays.
    Otherwise it loses 1 to drop characters, each number equally likely. A database column that is
    too narrow does this, for example in MySQL without strict mode.

    At least one character stays, so cells of one character stay as they are, and so do empty cells
    and cells with undecodable bytes.
    """

    name: ClassVar[str] = "truncate"
    lanes: ClassVar[tuple[str, ...]] = ("drop",)

    keep: Rate = parameters.rate("share of the characters kept; 1: drop decides", 1.0)
    drop: int = parameters.whole("with keep 1, the most characters that are dropped", 3, at_least=1)

    def change(self, text: str, *uniforms: float) -> str:
        """Return the beginning of the text."""
        length = len(text)
        if self.keep < 1:
            kept = math.ceil(round(self.keep * length, 9))  # 10% of 30 is 3, not 3 and a bit
        else:
            kept = length - 1 - int(uniforms[0] * self.drop)
        return text[: max(kept, 1)]


@dataclass(frozen=True, kw_only=True)
class Mojibake(TextModel):
    """Garbled encoding: the UTF-8 of a cell that is hit is read as Windows-1252 (or Latin-1).

    "Zürich" comes out as "ZÃ¼rich": what ftfy (Speer, 2019, "ftfy: fixes text for you") repairs.

    ASCII reads the same in all of them, so hit cells of ASCII only stay as they are, and so do
    those with a byte that Windows-1252 does not define (81, 8D, 8F, 90, 9D), empty cells and cells
    with undecodable bytes. latin-1 defines all bytes, but makes invisible control characters.
    """

    name: ClassVar[str] = "mojibake"
    ENCODINGS: ClassVar[tuple[str, ...]] = ("cp1252", "latin-1")

    encoding: str = parameters.text(
        "what the bytes are read as, cp1252 or latin-1", "cp1252", ENCODINGS
    )

    @override
    def change(self, text: str, *uniforms: float) -> str:
        """Return the text's UTF-8 read as another encoding."""
        try:
            return text.encode().decode(self.encoding)
        except UnicodeDecodeError:
            return text


def _pick(options: Sequence[Option], uniform: float) -> Option:
    """Return one of a sequence, by a variate uniform on [0, 1)."""
    return options[int(uniform * len(options))]
