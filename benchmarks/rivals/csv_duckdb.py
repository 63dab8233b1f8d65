"""Add noise to six columns of a CSV file with DuckDB.

DuckDB draws no normal numbers, so the query makes them (Box and Muller); and with more than one
thread its seed does not make them repeatable.
"""

import sys

import duckdb

COLUMNS = ["temperature", "humidity", "pressure", "wind", "flux", "ratio"]
NOISE = "0.1 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())"

source, target = sys.argv[1:]
replacements = ", ".join(f"{name} + {NOISE} AS {name}" for name in COLUMNS)
duckdb.execute("SELECT setseed(0.42)").fetchall()
duckdb.read_csv(source).project(f"* REPLACE ({replacements})").write_csv(target)
