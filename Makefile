# Everything a person or the continuous integration runs. `make demo` and `make test` need only
# Python >= 3.11, pip and gcc: they build .venv on first use and reuse it afterwards.
PYTHON ?= python3
# The torch build of the reference machine. Pip picks the CPU or CUDA wheel its configuration offers.
TORCH ?= torch==2.13.0
BIN := .venv/bin
STAMP := .venv/.installed

# `make gpu` installs nothing: a machine lent with its own torch, perhaps without a network, takes PYTHON.
READY := $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
# For `make gpu`: shards to learn from; without them it makes up text.
SHARDS ?=

.PHONY: install demo test test-all check bench gpu clean

install: $(STAMP)

# --use-pep517: older pips build seqeval, a peer in the tests, the old way, which fails.
$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Erya needs Python 3.11 or newer: make PYTHON=python3.11"'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --use-pep517 --editable ".[train,demo,dev]"
	touch $(STAMP)

demo: install  ## fine-tune the bundled model, adapt it to raw text, compare, predict; within ten minutes
	$(BIN)/erya demo --out demo

test: install  ## what CI runs
	$(BIN)/python -m pytest -m "not slow and not gpu"

test-all: install  ## the slow suites and, on a machine with one, the GPU tests too
	$(BIN)/python -m pytest

check: install  ## style, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/architecture

bench: install  ## speed beside the peers; tables go to benchmarks/results/
	$(BIN)/python -m benchmarks.pretrain
	$(BIN)/python -m benchmarks.finetune

gpu:  ## what needs a CUDA device: tests, benchmarks, a run killed and resumed; to benchmarks/results/*-cuda-*
	PYTHONPATH=src:. $(READY) -m benchmarks.gpu $(if $(SHARDS),--shards $(SHARDS))

clean:
	rm -rf .venv demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
