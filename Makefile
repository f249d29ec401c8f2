# Two commands do all the set-up: `make serve` and `make test`. Both are safe to run again and fast the second time.
PYTHON ?= python3
# The service alone lives in .venv; tests and training, with torch, in .venv-dev. onnxruntime and onnxruntime-gpu overwrite each
# other, so .venv holds one of them and is made anew when a GPU appears or goes.
EXTRA := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
DEVICE := $(if $(filter gpu,$(EXTRA)),gpu,dev)
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: help serve test dev format lint types pytest soak overload hang-ups bench screenshots gpu-check image clean

help:
	@echo "make serve   install the service and start it on the model in the repository"
	@echo "make test    install everything, then format, lint, types, import rules and all tests"
	@echo "make dev     install everything into .venv-dev: training, tests, tools"
	@echo "make format  write the code as the format check wants it"
	@echo "make soak    15 minutes of frames with a reload every minute: lost, mixed, memory"
	@echo "make overload  80 % and 400 % of capacity in turn, a minute each: who is refused, how long the others wait"
	@echo "make hang-ups  a minute of callers who hang up at every point of a request, and what they leave behind"
	@echo "make bench   beside LitServe, BentoML and FastAPI, the same work; ARGS=--full for all of it, on a machine that does nothing else"
	@echo "make screenshots  the pictures of the page in the documents, from rendered frames; needs chromium"
	@echo "make gpu-check  on a GPU host: train, export, answer as a CPU does, time batches and served frames"
	@echo "make image   build the service's image with Docker and check it"
	@echo "make clean   remove the environments and all caches"

serve: .venv/installed-$(EXTRA)
	@.venv/bin/smoke-bvm serve $(ARGS)

.venv/installed-$(EXTRA): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0])'
	@echo "installing the service with onnxruntime for $(EXTRA) into .venv (a minute or two, once)"
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python $(PIP_INSTALL) -e '.[$(EXTRA)]'
	@touch $@

test: dev lint types pytest

dev: .venv-dev/installed

.venv-dev/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0])'
	@echo "installing service, training and test tools into .venv-dev (some minutes, most of it torch, once)"
	@test -x .venv-dev/bin/python || $(PYTHON) -m venv .venv-dev
	@.venv-dev/bin/python $(PIP_INSTALL) -e '.[cpu,training,dev]'
	@touch $@

format: dev
	.venv-dev/bin/ruff format .
	.venv-dev/bin/ruff check --fix .

lint: dev
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .
	.venv-dev/bin/lint-imports

types: dev
	.venv-dev/bin/mypy

# A test file is one worker's, and torch has one thread in each: two threads a worker starve each other on two cores.
pytest: dev
	OMP_NUM_THREADS=1 .venv-dev/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

soak: dev
	.venv-dev/bin/python -m tests.performance.soak $(ARGS)

screenshots: dev
	.venv-dev/bin/python -m tests.screenshots

overload: dev
	.venv-dev/bin/python -m tests.performance.overload $(ARGS)

hang-ups: dev
	.venv-dev/bin/python -m tests.performance.hang_ups $(ARGS)

bench: dev .venv-bench/installed
	.venv-dev/bin/python -m tests.performance.bench $(ARGS)

# The peers run on the very versions that the service runs on here.
.venv-bench/installed: tests/performance/bench/peers/requirements.txt .venv-dev/installed
	@command -v wrk > /dev/null || { echo "wrk is needed, a load generator: apt-get install wrk, or brew install wrk"; exit 1; }
	@echo "installing what the service is compared with into .venv-bench (a minute or two, once)"
	@$(PYTHON) -m venv --clear .venv-bench
	@.venv-dev/bin/python -c 'from importlib.metadata import version as v; [print(n + "==" + v(n)) for n in ("numpy", "onnxruntime", "opencv-python-headless")]' > .venv-bench/same.txt
	@.venv-bench/bin/python $(PIP_INSTALL) --requirement $< --constraint .venv-bench/same.txt
	@touch $@

gpu-check: .venv-$(DEVICE)/installed
	.venv-$(DEVICE)/bin/python -m tests.performance.gpu_check $(ARGS)

# Training brings the onnxruntime of a CPU, whose files must give way to those of onnxruntime-gpu.
.venv-gpu/installed: pyproject.toml
	@echo "installing everything with onnxruntime for GPUs into .venv-gpu (some minutes, once)"
	@$(PYTHON) -m venv --clear .venv-gpu
	@.venv-gpu/bin/python $(PIP_INSTALL) -e '.[gpu,training,dev]'
	@.venv-gpu/bin/python -m pip uninstall --quiet --yes onnxruntime
	@.venv-gpu/bin/python $(PIP_INSTALL) --force-reinstall --no-deps onnxruntime-gpu
	@touch $@

image:
	docker build --tag smoke-bvm:$(EXTRA) --build-arg RUNTIME=$(EXTRA) .
	docker/check-image smoke-bvm:$(EXTRA)

clean:
	rm -rf .venv .venv-dev .venv-bench .venv-gpu build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
