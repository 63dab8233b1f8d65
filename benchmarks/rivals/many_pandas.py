"""Add normal noise to every CSV of a folder, by pandas, a file at a time."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

source, target = Path(sys.argv[1]), Path(sys.argv[2])
target.mkdir(exist_ok=True)
rng = np.random.default_rng(42)
for path in sorted(source.glob("*.csv")):
    frame = pd.read_csv(path)
    columns = frame.select_dtypes("float").columns
    frame[columns] += rng.normal(scale=0.1, size=(len(frame), len(columns)))
    frame.to_csv(target / path.name, index=False)
