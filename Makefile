# The two commands of the README, and what they need. `make demo` installs the numpy path only.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test slow bench lint clean

demo: $(VENV)/.demo
	@$(BIN)/refimpl classify refimpl/demo/picture.png \
		--labels "a penguin" "a cat" "a dog" "a rose" "a sailboat"

test: $(VENV)/.test lint
	$(BIN)/python -m pytest

slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

bench: $(VENV)/.test
	$(BIN)/python -m pytest bench/bench_*.py --benchmark-enable --benchmark-group-by=group

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
# The two original repositories come without their requirements, which would pull torchvision.
# Transformers 4 lies in a folder of its own, beside the 5 that the tests import.
$(VENV)/.test: pyproject.toml | $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		clip-anytorch==2.6.0 cn-clip==1.6.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--target $(VENV)/transformers-4 transformers==4.57.6 tokenizers==0.22.1 \
		huggingface_hub==0.36.0 requests certifi charset-normalizer idna urllib3
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
