# Everything runs in its own virtual environment; nothing outside this folder is changed.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: demo test test-full lint install install-runtime plugins clean

demo: install-runtime  ## follow objects through a generated scene, say where to look; without PyTorch
	$(BIN)/vosrt demo --output out/demo

test: lint  ## style, types and tests: at most ten minutes on two cores
	$(BIN)/python -m pytest -m "not full" -n 2 --dist loadgroup

test-full: lint  ## every test, the slow ones too
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p vosrt

# The package is installed as a user installs it, so that tests and types see the installed files.
install: $(VENV)/.dependencies
install-runtime: $(VENV)/.runtime
install install-runtime:
	@rm -rf build *.egg-info
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps .
	@rm -rf build *.egg-info

$(VENV)/.runtime: setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt ".[cpu]"
	@rm -rf build *.egg-info
	@touch $@

$(VENV)/.dependencies: $(VENV)/.runtime
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch numpy
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt ".[cpu,export,serve,dev]"
	@rm -rf build *.egg-info
	@touch $@

plugins:  ## all that is compiled into the package; needs cmake, for CUDA kernels nvcc, for plugins TENSORRT_ROOT
	cmake -S plugins -B out/plugins
	cmake --build out/plugins --parallel
	mkdir -p runtime/native && cp out/plugins/libvosrt_*.so runtime/native/
	if [ -x $(BIN)/pip ]; then $(MAKE) install; fi

clean:
	rm -rf $(VENV) build *.egg-info out runtime/native .mypy_cache .pytest_cache .ruff_cache
