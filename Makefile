# Two commands for a fresh machine with Python 3.11+ and make: `make demo`, `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
COMPILED := $(wildcard noisify/*/*.[ch]pp noisify/*/*/*.[ch]pp)

.PHONY: demo docs engines examples gallery readme test test-all test-matrix trust fuzz soak check sanitize fix bench bench-full wheel clean

demo: $(VENV)/.installed
	@$(BIN)/python sample_data/demo.py

gallery: $(VENV)/.installed
	$(BIN)/python docs/generate/gallery.py
	$(BIN)/python -m pip install --quiet --group docs
	$(BIN)/python docs/generate/screenshot.py

# Keras and scikit-learn on noisy data, in an environment of its own: TensorFlow is large.
# `make examples SMALL=1` takes few levels, and leaves the pictures in the checkout as they are.
EXAMPLES_VENV ?= .venv-examples
EXAMPLES_BIN := $(abspath $(EXAMPLES_VENV))/bin
examples:
	$(MAKE) VENV=$(EXAMPLES_VENV) $(EXAMPLES_VENV)/.installed-examples
	PATH="$(EXAMPLES_BIN):$$PATH" TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0 $(MAKE) -C examples \
	    PYTHON=$(EXAMPLES_BIN)/python $(if $(SMALL),SMALL=--small OUT=$(abspath build/examples))

# Spark, Ray Data, Snakemake and polars, in an environment of their own; Spark needs Java.
ENGINES_VENV ?= .venv-engines
engines: $(VENV)/.installed-test
	$(MAKE) VENV=$(ENGINES_VENV) $(ENGINES_VENV)/.installed-engines
	ENGINES_PYTHON=$(abspath $(ENGINES_VENV))/bin/python $(BIN)/python -m pytest -m "" tests/test_engines.py

# What is written from the code: pages of docs/, man pages, the stubs of the models.
readme: $(VENV)/.installed
	$(BIN)/python sample_data/model_stub.py
	$(BIN)/python docs/generate/model_pages.py
	$(BIN)/python docs/generate/cli_reference.py
	$(BIN)/python docs/generate/man_pages.py

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky --quiet docs build/docs
	@echo "the pages are in build/docs/index.html"

# Every worker has to find the same tests in the same order, whatever the order of a set. Bytecode
# is kept: the tests start hundreds of processes.
TESTED := PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=
PYTEST := $(TESTED) $(BIN)/python -m pytest --numprocesses auto
test: $(VENV)/.installed-test
	$(PYTEST)

# With those marked slow.
test-all: $(VENV)/.installed-test
	$(PYTEST) -m ""

# Every call to the system fails, in turn, in every scenario; `make test` tries a share of them.
trust: $(VENV)/.installed-test
	NOISIFY_TRUST=all $(PYTEST) -m "" tests/trust

# Each reader in turn, for its share of the time; what is found goes to build/fuzz/found.
FUZZ_SECONDS ?= 3600
FUZZ_TARGETS ?=
FUZZ_RUNS ?=
fuzz: $(VENV)/.installed-test
	@$(BIN)/python -m pip install --quiet --only-binary atheris --group fuzz \
	    || echo "fuzz: atheris cannot be installed here" >&2
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(FUZZ_SECONDS) $(FUZZ_RUNS:%=--runs %) $(FUZZ_TARGETS)

# An hour of kills at random moments, then 20 GB through a pipe.
soak: $(VENV)/.installed-test
	$(BIN)/python tests/trust/soak.py

# The golden digests with features of the processor switched off, and with other libraries and
# Pythons; `make test-matrix MATRIX=` leaves the latter out, as CI does.
MATRIX ?= --all
test-matrix: $(VENV)/.installed-test
	$(BIN)/python tests/matrix.py $(MATRIX)

# Format, lint, types, and the tests of `make test` with the share of the code that they reach.
check: $(VENV)/.installed-check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m coverage erase
	$(TESTED) $(BIN)/python -m coverage run -m pytest --numprocesses auto
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

# The compiled parts, warnings as errors, under the address and undefined-behaviour sanitizers.
SANITIZED := build/sanitized
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
ask = $$($(BIN)/python -c '$(1)')
COMPILE = $(CXX) -std=c++17 -O1 -g -ffp-contract=off -shared -fPIC -Wall -Wextra -Wconversion -Werror $(SANITIZERS) \
    -DPy_LIMITED_API=0x030B0000 \
    -isystem "$(call ask,import sysconfig; print(sysconfig.get_path("include")))"
sanitize: $(VENV)/.installed-test
	rm -rf $(SANITIZED)
	mkdir -p $(SANITIZED)
	cp -r noisify $(SANITIZED)/
	find $(SANITIZED) -name '_*.so' -delete
	$(COMPILE) noisify/formats/csv/_csv.cpp -o $(SANITIZED)/noisify/formats/csv/_csv.abi3.so
	$(COMPILE) noisify/formats/parquet/_pages.cpp -o $(SANITIZED)/noisify/formats/parquet/_pages.abi3.so
	$(COMPILE) noisify/formats/parquet/_thrift.cpp -o $(SANITIZED)/noisify/formats/parquet/_thrift.abi3.so
	$(COMPILE) noisify/kernels/_kernels.cpp -o $(SANITIZED)/noisify/kernels/_kernels.abi3.so
	$(COMPILE) noisify/streams/_variates.cpp -o $(SANITIZED)/noisify/streams/_variates.abi3.so
	PYTHONPATH=$(SANITIZED) NOISIFY_REQUIRE_COMPILED=1 ASAN_OPTIONS=detect_leaks=0 \
	    LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
	    $(BIN)/pytest tests/formats/csv/test_native.py tests/formats/csv/test_both_ways.py \
	    tests/formats/parquet/test_thrift.py tests/formats/parquet/test_small_chunks.py \
	    tests/streams/test_compiled.py tests/kernels

fix: $(VENV)/.installed-check
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/run.py --core
	$(BIN)/python benchmarks/phases.py --runs 1 table.csv snappy.parquet contiguous.h5

bench-full: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/run.py --runs 5 --memory
	$(BIN)/python benchmarks/phases.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/many_files.py
	$(BIN)/python benchmarks/scale.py

# One with the compiled part, for this machine, and one without it, for all.
wheel: $(VENV)/bin/python
	rm -rf build
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	NOISIFY_PURE=1 $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) $(EXAMPLES_VENV) $(ENGINES_VENV) build noisify/*/_*.so noisify/*/*/_*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "noisify needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.installed: pyproject.toml setup.py $(COMPILED) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-%: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@

.PRECIOUS: $(VENV)/.installed-%
