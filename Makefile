# The two commands of the README are `make demo` and `make test`; both make .venv first.
PYTHON ?= python3
JOBS ?= auto
BIN := .venv/bin

.PHONY: install demo test lint types pytest slow clean

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "socsci210 needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[train,evaluate,llm,report,space,dev]"
	@touch $@

install: .venv/installed

demo: install
	$(BIN)/socsci210 demo --out demo

test: lint types pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy follows folders, not install mappings: link the top-level folders to where they are installed.
types: install
	@rm -rf build/types && mkdir -p build/types/socsci210
	@ln -s $(CURDIR)/socsci210/* build/types/socsci210/
	@for part in loaders train metrics cards; do ln -s $(CURDIR)/$$part build/types/socsci210/$$part; done
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p socsci210

pytest: install
	$(BIN)/pytest -n $(JOBS)

# Simulations that take minutes: coverage of intervals.
slow: install
	$(BIN)/pytest -n $(JOBS) -m slow

clean:
	rm -rf build dist demo *.egg-info .venv
