"""Add noise to columns of a Parquet file with pandas."""

import sys

import numpy as np
import pandas as pd

source, target, codec, *columns = sys.argv[1:]
rng = np.random.default_rng(42)
frame = pd.read_parquet(source)
frame[columns] += rng.normal(0, 0.1, (len(frame), len(columns)))
# Argv is text; which codecs there are is the writer's to say.
frame.to_parquet(target, compression=codec, index=False)  # type: ignore[call-overload]
