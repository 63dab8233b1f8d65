"""Stand in for a program to test: the mean of a column has to be between two bounds."""

import argparse
import csv
import statistics
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("file", type=Path)
parser.add_argument("column")
parser.add_argument("--between", nargs=2, type=float, required=True)
given = parser.parse_args()

with given.file.open(newline="") as rows:
    cells = [row[given.column] for row in csv.DictReader(rows)]
mean = statistics.fmean(float(cell) for cell in cells if cell)
print(f"the mean of {given.column} is {mean:.3f}")
if not given.between[0] <= mean <= given.between[1]:
    raise SystemExit("that is out of bounds")
