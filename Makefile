# Everything a developer does, by name. `make demo` is the place to begin.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-hosts-all web plugins release check pictures quality bench clean

help:            ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 18

# The environment is made again only when the pinned set or the project's own metadata changes.
$(VENV)/.ready: requirements-dev.txt pyproject.toml $(wildcard kernels/*.* kernels/*/*.[chp]*)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements-dev.txt
	$(BIN)/pip install --quiet --no-build-isolation --no-deps -e .
	@# Without a C compiler everything works the same, only slower.
	if command -v cc >/dev/null; then $(BIN)/pip install --quiet --no-build-isolation --no-deps ./kernels; fi
	touch $@

demo: $(VENV)/.ready  ## fill a hole in a real photograph, and say where the result is
	$(BIN)/python examples/demo.py

test: $(VENV)/.ready  ## all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-hosts-all: $(VENV)/.ready  ## the real editors, newer and older versions of them too
	$(BIN)/python -m pytest tests/hosts
	LAMA_FILL_KRITA=own $(BIN)/python -m pytest tests/hosts -k krita
	LAMA_FILL_SUITE=bullseye $(BIN)/python -m pytest tests/hosts -k gimp210
	LAMA_FILL_SUITE=forky $(BIN)/python -m pytest tests/hosts -k "gimp or krita"

web: $(VENV)/.ready  ## the page of `lama-fill web`, from web/ into the server's package
	$(BIN)/python -m installers.build_web

plugins: $(VENV)/.ready  ## the archives of the plug-ins, in dist/
	$(BIN)/python installers/build_plugins.py --out dist

release: $(VENV)/.ready  ## all that is published, in dist/release: wheels, sources, plug-ins, installers, checksums
	$(BIN)/pip install --quiet -r requirements-release.txt
	rm -rf dist/release
	$(BIN)/python installers/release.py --out dist/release

check: $(VENV)/.ready  ## ruff, strict types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_walls.py

pictures: $(VENV)/.ready  ## make the documentation's pictures again
	$(BIN)/python examples/sheet.py
	$(BIN)/python -m tests.hosts.krita_pictures
	$(BIN)/python -m tests.web.pictures

quality: $(VENV)/.ready  ## measure what docs/quality.md says, on the photos in PHOTOS
	$(BIN)/python examples/quality.py $(PHOTOS)

bench: $(VENV)/.ready  ## what it costs, in ratios measured in one run
	$(BIN)/python -m tests.bench

clean:           ## remove what the targets above made
	rm -rf $(VENV) web/node_modules out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
