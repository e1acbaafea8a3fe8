# Every target sets up what it needs: a fresh machine with Python 3.11+ and make is enough.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help demo test test-long check bench bench-plan bench-soak bench-engines docs clean

help:  ## What there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=" >&2; exit 2; }
	@echo "setting up .venv (once)" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . >&2
	@touch $@

demo: .venv/.installed  ## The main job on this machine: engine, gateway, real trace, plan, dashboard (ARGS='--exit --json')
	@$(BIN)/freehold demo $(ARGS)

# Two processes, a file in one of them; and compiled modules are kept, else every process that a test starts compiles them anew.
BY_TWO := -n 2 --dist loadfile --no-loadscope-reorder
test test-long: export PYTHONDONTWRITEBYTECODE :=

test: .venv/.installed  ## The suite a person runs before every commit
	@$(BIN)/python tests/services.py
	@$(BIN)/python -m pytest $(BY_TWO) $(ARGS)

test-long: .venv/.installed  ## The tests that take minutes: kill -9 under load, long searches, all examples of property tests
	@$(BIN)/python tests/services.py
	@$(BIN)/python -m pytest $(BY_TWO) -m "(long or hypothesis) and not alone" --hypothesis-profile=whole $(ARGS)
	@$(BIN)/python -m pytest -m "long and alone" $(ARGS)

check: .venv/.installed  ## Format, lint, types, layers, shape
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .import-linter.log || { cat .import-linter.log; exit 1; }
	@$(BIN)/python -m pytest tests/test_shape.py

bench: .venv/.installed  ## The scan, the gate, the capacity model, the simulator, a soak of 20 minutes, and the gateway beside its peers
	@$(BIN)/python -m benchmarks.sensitivity
	@$(BIN)/python -m benchmarks.gate
	@$(BIN)/python -m benchmarks.fit_capacity
	@$(BIN)/python -m benchmarks.simulator --days 1
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),20)
	@$(BIN)/python -m benchmarks.peers $(ARGS)

bench-plan: .venv/.installed  ## A plan over ten million ledger rows against a plain read of them (3 GB of disk)
	@$(BIN)/python -m benchmarks.plan_rows $(ARGS)

bench-soak: .venv/.installed  ## The gateway with everything on, failing providers, an engine: leaks, lost entries, tokens (MINUTES=20 ARGS='--store postgres')
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),20) $(ARGS)

bench-engines: .venv/.installed  ## What a second engine accepts and does not honour (transformers serve; 1.2 GB of disk)
	@$(BIN)/python -m benchmarks.engines $(ARGS)

docs: .venv/.installed  ## Regenerate docs/reference from the code
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m tests.e2e.fault_table

clean:  ## Remove what the targets above made
	rm -rf .venv .venv-focus .venv-jax .venv-litellm .venv-presidio .venv-tensorzero .venv-transformers .demo* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import-linter.log
