# Everything runs in its own virtual environment; nothing outside this folder is changed.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Modules are compiled when they are first imported: most never are.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile

.PHONY: demo test test-full soak lint docs dist install install-runtime plugins clean

demo: install-runtime  ## follow objects through a generated scene, say where to look; without PyTorch
	$(BIN)/vosrt demo --output out/demo

test: lint  ## style, types and tests: about a quarter of an hour on two slow cores
	$(BIN)/python -m pytest -m "not full" -n 2 --dist loadgroup

test-full: lint  ## every test, the slow ones too
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# Damaged files, killed processes, full disks, clocks and long runs; what it tries is in docs/reliability.md.
soak: install  ## the long form of tests/reliability, and a million steps: about two hours of one core
	$(BIN)/python -m pytest tests/reliability -m full
	$(BIN)/python -m tests.reliability.soak --frames 1000000 --out out/soak

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers 2 -p vosrt

docs: $(VENV)/.docs  ## the documentation as a site: out/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# From the clone, so that what `make plugins` has built is in the wheel, too.
dist: $(VENV)/.build  ## dist/*.whl and dist/*.tar.gz
	@rm -rf build dist *.egg-info
	$(BIN)/python -m build --sdist --wheel
	@rm -rf build *.egg-info

# The package is installed as a user installs it, so that tests and types see the installed files.
install: $(VENV)/.dependencies
install-runtime: $(VENV)/.runtime
install install-runtime:
	@rm -rf build *.egg-info
	$(INSTALL) --no-deps .
	@rm -rf build *.egg-info

$(VENV)/.runtime: setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -c constraints.txt ".[cpu]"
	@rm -rf build *.egg-info
	@touch $@

$(VENV)/.dependencies: $(VENV)/.runtime
	$(INSTALL) -c constraints.txt torch numpy
	$(INSTALL) -c constraints.txt ".[cpu,export,serve,docs,dev]"
	@rm -rf build *.egg-info
	@touch $@

$(VENV)/.docs: setup.py constraints.txt
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -c constraints.txt mkdocs-material "mkdocstrings-python"
	@touch $@

$(VENV)/.build: setup.py constraints.txt
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -c constraints.txt build
	@touch $@

plugins:  ## all that is compiled into the package; needs cmake, for CUDA kernels nvcc, for plugins TENSORRT_ROOT
	cmake -S plugins -B out/plugins
	cmake --build out/plugins --parallel
	mkdir -p runtime/native && cp out/plugins/libvosrt_*.so runtime/native/
	if [ -e $(VENV)/.runtime ]; then $(MAKE) install-runtime; fi

clean:
	rm -rf $(VENV) build dist *.egg-info out runtime/native .mypy_cache .pytest_cache .ruff_cache
