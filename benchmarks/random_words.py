"""Write the words of interleaved streams to standard output, for a test of randomness.

    python benchmarks/random_words.py | dieharder -a -g 200

Streams whose names differ in one part, each at consecutive indices, one word of each in turn: what
they had in common would show as a correlation from word to word.
"""

from __future__ import annotations

import sys
from itertools import count, product

from noisify.streams.streams import StreamName
from noisify.streams.words import Words

STRIP = 1 << 12


def main() -> None:
    """Write until the reader has had enough."""
    streams = [
        StreamName(seed, field, "normal", replicate=replicate).stream(lane)
        for seed, field, replicate, lane in product(
            range(4), ("a", "b", "c", "d"), range(2), ("noise", "hit")
        )
    ]
    try:
        for strip in count():
            words = Words.of(streams, range(strip * STRIP, (strip + 1) * STRIP)).raw()
            sys.stdout.buffer.write(words.reshape(len(streams), STRIP).T.astype("<u8").tobytes())
    except BrokenPipeError:
        sys.stderr.close()


if __name__ == "__main__":
    main()
