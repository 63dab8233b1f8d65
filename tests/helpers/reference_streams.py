"""The random streams of docs/streams.md once more, in plain Python integers and floats.

Written from that page alone, for one element at a time; nothing of noisify is used.
"""

from __future__ import annotations

import hashlib
import math
import struct
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = 2**64
VERSION = 2

# ---- Names


def encoded(
    seed: int, field: str, model: str, lane: str, *, ordinal: int = 0, replicate: int = 0,
    file: str = "", series: int = 0,
) -> bytes:  # fmt: skip
    """Return the canonical encoding of a stream's name and a lane."""
    parts = [
        VERSION.to_bytes(4, "little"),
        seed.to_bytes(16, "little"),
        replicate.to_bytes(8, "little"),
        field.encode(),
        model.encode(),
        ordinal.to_bytes(8, "little"),
        lane.encode(),
    ]
    if file or series:
        parts.append(file.encode())
    if series:
        parts.append(series.to_bytes(8, "little"))
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


# ---- Words


def mix64(z: int) -> int:
    """Return Stafford's variant 13 of a 64-bit state."""
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % WORDS
    z = (z ^ z >> 27) * 0x94D049BB133111EB % WORDS
    return z ^ z >> 31


def regular(increment: int) -> int:
    """Return an increment that is odd and not too regular."""
    increment |= 1
    changes = (increment ^ increment >> 1).bit_count()
    return increment ^ 0xAAAAAAAAAAAAAAAA if changes < 24 else increment


class Stream(NamedTuple):
    """A start and an increment."""

    start: int
    increment: int

    def word(self, i: int) -> int:
        """Return the word at an index."""
        return mix64((self.start + i * self.increment) % WORDS)

    def retry(self, number: int) -> Stream:
        """Return a retry stream; number 0 is the stream itself."""
        if number == 0:
            return self
        return Stream(self.word(-2 * number), regular(self.word(-2 * number - 1)))


def stream(name: bytes) -> Stream:
    """Return the stream of an encoded name."""
    digest = hashlib.blake2b(name, digest_size=16).digest()
    increment = int.from_bytes(digest[8:], "little")
    return Stream(int.from_bytes(digest[:8], "little"), regular(increment))


def index_of_key(key: str) -> int:
    """Return the index of a key."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")


# ---- Uniforms


def uniform(word: int) -> float:
    """Return a uniform on [0, 1)."""
    return float(word >> 11) * 2.0**-53


def open_uniform(word: int) -> float:
    """Return a uniform on (0, 1)."""
    return (float(word >> 12) + 0.5) * 2.0**-52


def integer(word: int, count: int) -> int:
    """Return a whole number below a count."""
    return word * count >> 64


# ---- exp and log


def bits_of(number: float) -> int:
    """Return the bits of a float64."""
    return struct.unpack("<Q", struct.pack("<d", number))[0]


def number_of(bits: int) -> float:
    """Return the float64 of some bits."""
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def fixed(number: Decimal, bits: int) -> float:
    """Return a number rounded to so many bits after the point."""
    return float(round(number * 2**bits)) / 2**bits


def split(number: Decimal, bits: int) -> tuple[float, float]:
    """Return a number's upper part, of so many bits after the point, and the rest."""
    high = fixed(number, bits)
    return high, float(number - Decimal(high))


with localcontext() as context:
    context.prec = 60
    LN_2 = Decimal(2).ln()
    EXP_STEPS = float(128 / LN_2)
    EXP_STEP = split(LN_2 / 128, 42)
    powers = [(LN_2 * j / 128).exp() for j in range(128)]
    EXP_TABLE = [(float(power), float(power - Decimal(float(power)))) for power in powers]
    LOG_2 = split(LN_2, 42)
    LOG_TABLE = []
    for j in range(128):
        low, high = (number_of(bits_of(0.6875) + (j + k << 45)) for k in (0, 1))
        middle = Decimal((low + high) / 2)
        reciprocal = 1.0 if 1.0 in {low, high} else fixed(1 / middle, 8)
        LOG_TABLE.append((reciprocal, *split(-Decimal(reciprocal).ln(), 42)))

EXP_REST = [float.fromhex(text) for text in (
    "0x1.fffffffffff58p-2", "0x1.5555555555525p-3", "0x1.55555accc11b8p-5", "0x1.11111430bc5c6p-7",
)]  # fmt: skip
LOG_REST = [float.fromhex(text) for text in (
    "0x1.5555555555564p-2", "-0x1.000000000000dp-2", "0x1.999999919973cp-3",
    "-0x1.5555554e21ff7p-3", "0x1.24979e8d8acaep-3", "-0x1.0004ccdecd0bbp-3",
)]  # fmt: skip


def horner(coefficients: list[float], r: float) -> float:
    """Return c[0] + r (c[1] + r (c[2] + ...))."""
    value = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        value = coefficient + r * value
    return value


def exp(x: float) -> float:
    """Return e**x."""
    x = min(max(x, -746.0), 710.0)
    shifted = x * EXP_STEPS + 1.5 * 2.0**52
    steps = bits_of(shifted) - bits_of(1.5 * 2.0**52)
    k = shifted - 1.5 * 2.0**52
    r = (x - k * EXP_STEP[0]) - k * EXP_STEP[1]
    rest = r + (r * r) * horner(EXP_REST, r)
    high, low = EXP_TABLE[steps % 128]
    value = high + (low + high * rest)
    power = steps // 128
    return value * 2.0 ** (power // 2) * 2.0 ** (power - power // 2)


def log(x: float) -> float:
    """Return the natural logarithm of a positive normal number."""
    above = bits_of(x) - bits_of(0.6875)
    reciprocal, table_high, table_low = LOG_TABLE[(above >> 45) % 128]
    k = float(above >> 52)
    z_bits = bits_of(x) - (above >> 52 << 52)
    z, z_high = number_of(z_bits), number_of(z_bits >> 27 << 27)
    r = (z_high * reciprocal - 1.0) + (z - z_high) * reciprocal
    whole = k * LOG_2[0] + table_high
    high = whole + r
    low = ((whole - high) + r) + (k * LOG_2[1] + table_low)
    return high + (low + (r * r) * (r * horner(LOG_REST, r) - 0.5))


# ---- The ziggurat

with localcontext() as context:
    context.prec = 60
    edge = Decimal("3.6541528853610087716454297203995157629748545997463")
    area = Decimal("0.0049286732339746553473617754023360280691353847028565")
    edges = [area / (-edge * edge / 2).exp(), edge]
    while len(edges) < 256:
        height = area / edges[-1] + (-edges[-1] * edges[-1] / 2).exp()
        edges.append((-2 * height.ln()).sqrt())
    EDGES = [float(x) for x in [*edges, Decimal(0)]]
    HEIGHTS = [float((-x * x / 2).exp()) for x in [*edges, Decimal(0)]]


def normal(lane: Stream, i: int) -> float:
    """Return a standard normal variate."""
    used = 0
    while True:
        word = lane.retry(used).word(i)
        layer, sign = word & 255, -1.0 if word & 256 else 1.0
        x = open_uniform(word) * EDGES[layer]
        if x < EDGES[layer + 1]:
            return sign * x
        if layer == 0:
            return sign * tail(lane, i, used)
        low, high = HEIGHTS[layer], HEIGHTS[layer + 1]
        share = uniform(lane.retry(used + 1).word(i))
        if low + share * (high - low) < exp(x * x * -0.5):
            return sign * x
        used += 2


def tail(lane: Stream, i: int, used: int) -> float:
    """Return the magnitude of a normal variate beyond the tail's edge."""
    while True:
        beyond = log(open_uniform(lane.retry(used + 1).word(i))) / -EDGES[1]
        depth = log(open_uniform(lane.retry(used + 2).word(i))) * -2.0
        if depth > beyond * beyond:
            return EDGES[1] + beyond
        used += 2


# ---- Other distributions


def signed(magnitude: float, word: int) -> float:
    """Return a magnitude with the sign of a word."""
    return -magnitude if word & 1 else magnitude


def exponential(lane: Stream, i: int) -> float:
    """Return an exponential variate."""
    return -log(open_uniform(lane.word(i)))


def laplace(lane: Stream, i: int) -> float:
    """Return a Laplace variate."""
    return signed(exponential(lane, i), lane.word(i))


def logistic(lane: Stream, i: int) -> float:
    """Return a logistic variate."""
    u = open_uniform(lane.word(i))
    return signed(log((1 + u) / (1 - u)), lane.word(i))


def gumbel(lane: Stream, i: int) -> float:
    """Return a Gumbel variate."""
    return -log(exponential(lane, i))


def triangular(lane: Stream, i: int) -> float:
    """Return a triangular variate."""
    return signed(1 - math.sqrt(open_uniform(lane.word(i))), lane.word(i))


def cauchy(lanes: Callable[[str], Stream], lane: str, i: int) -> float:
    """Return a Cauchy variate."""
    return normal(lanes(lane), i) / normal(lanes(f"{lane} divisor"), i)


def lognormal(lane: Stream, i: int, sigma: float) -> float:
    """Return a lognormal variate."""
    return exp(normal(lane, i) * sigma)


def gamma(lanes: Callable[[str], Stream], lane: str, i: int, shape: float) -> float:
    """Return a gamma variate."""
    if shape < 1:
        boost = exp(log(open_uniform(lanes(f"{lane} boost").word(i))) / shape)
        return gamma(lanes, lane, i, shape + 1) * boost
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        z = normal(lanes(lane), i)
        u = open_uniform(lanes(f"{lane} accept").word(i))
        root = 1 + c * z
        v = root * root * root
        if v > 0:
            square = z * z
            if u < 1 - 0.0331 * (square * square):
                return d * v
            if log(u) < 0.5 * square + d * ((1 - v) + log(v)):
                return d * v
        lane = f"{lane} again"


def student_t(lanes: Callable[[str], Stream], lane: str, i: int, df: float) -> float:
    """Return a variate of Student's t."""
    half = df / 2
    return normal(lanes(lane), i) * math.sqrt(half / gamma(lanes, f"{lane} gamma", i, half))
