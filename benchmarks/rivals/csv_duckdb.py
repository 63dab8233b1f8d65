"""Add noise to columns of a CSV file with DuckDB.

DuckDB draws no normal numbers, so the query makes them (Box and Muller); and with more than one
thread its seed does not make them repeatable.
"""

import sys

import duckdb

NOISE = "0.1 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())"

source, target, *columns = sys.argv[1:]
replacements = ", ".join(f"{name} + {NOISE} AS {name}" for name in columns)
duckdb.execute("SELECT setseed(0.42)").fetchall()
# As text, times come out as they went in, and sooner.
clean = duckdb.read_csv(source, dtype={"time": "VARCHAR"})
clean.project(f"* REPLACE ({replacements})").write_csv(target)
