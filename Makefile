# Short names for what people do here. `make` alone lists them.

PYTHON   ?= python3
SCALE    ?= laptop
LAUNCHER ?= local
WORKERS  ?= 4
KILLS    ?= 50

VENV   := .venv
BIN    := $(VENV)/bin
SGDLAB := $(BIN)/sgdlab
PAPERS := smith2021 smith2020 lssr2022 roberts2018
DEMO   := smith2021/fig1b smith2021/fig2a

# pip, because it obeys the machine's own configuration (mirrors, wheel folders), and because it compiles what
# it installs: every worker process imports torch, and 12 s of compiling each time would be paid again and again.
PIP_INSTALL := $(BIN)/pip install -qq --constraint constraints.txt --build-constraint constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo sweep sweep-is-named status watch dashboard figures theory measure run-is-named report sync
.PHONY: test test-slow kill-test lint format results
.PHONY: bench bench-gpu bench-slurm bench-sync bench-curvature bench-extension bench-dashboard bench-stopping
.PHONY: penalty-error theory-page clean-env

help: ## List the targets
	@echo "make TARGET [VARIABLE=value …]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- science --------------------------------------------------------------------------------------------

demo: $(VENV)/runtime.stamp ## Environment, the main experiment at laptop scale, its figures and verdicts
	$(SGDLAB) run $(DEMO) --scale laptop
	$(SGDLAB) figure $(DEMO) --scale laptop
	$(SGDLAB) report $(DEMO) --scale laptop

sweep: sweep-is-named $(VENV)/runtime.stamp ## Run SWEEP=paper/figure [SCALE=laptop] [LAUNCHER=local]
	$(SGDLAB) run $(SWEEP) --scale $(SCALE) launcher=$(LAUNCHER)

sweep-is-named:
	@test -n "$(SWEEP)" || { echo "make sweep: say which, e.g. SWEEP=smith2021/fig1b; their files lie in sweeps/"; exit 2; }

status: $(VENV)/runtime.stamp ## What is done, running, failed [SWEEP=…]
	$(SGDLAB) status $(SWEEP)

watch: $(VENV)/runtime.stamp ## The live view in this terminal [SWEEP=…] [SCALE=laptop]
	$(SGDLAB) watch $(SWEEP) --scale $(SCALE)

dashboard: $(VENV)/runtime.stamp ## All sweeps in a browser, live [SWEEP=…] [SCALE=laptop] [PORT=8050]
	$(SGDLAB) dashboard $(SWEEP) --scale $(SCALE) --port $(or $(PORT),8050)

figures: $(VENV)/runtime.stamp ## Train what is missing of all figures, draw them, judge their claims [SWEEP=…] [SCALE=laptop]
	$(SGDLAB) run $(or $(SWEEP),$(PAPERS)) --scale $(SCALE)
	$(SGDLAB) figure $(or $(SWEEP),$(PAPERS)) --scale $(SCALE)
	$(SGDLAB) report $(or $(SWEEP),$(PAPERS)) --scale $(SCALE) --out outputs/results.md

theory: $(VENV)/runtime.stamp ## Check the papers' equations numerically, and draw what was measured [CHECK=…]
	$(SGDLAB) theory $(CHECK)

measure: run-is-named $(VENV)/runtime.stamp ## Gradient noise and curvature of the stored model of RUN=key
	$(SGDLAB) measure $(RUN)

run-is-named:
	@test -n "$(RUN)" || { echo "make measure: say which run, by its key; \`sgdlab results SWEEP --json\` shows them"; exit 2; }

report: $(VENV)/runtime.stamp ## One page with figures, verdicts and numbers [SWEEP=…] [SCALE=laptop]
	$(SGDLAB) report $(or $(SWEEP),$(DEMO)) --scale $(SCALE)

sync: $(VENV)/runtime.stamp ## Upload W&B's offline runs, each once [SWEEP=…]
	$(SGDLAB) sync $(SWEEP)

# ---- development ----------------------------------------------------------------------------------------

# Half of their time the tests wait, for processes and for Slurm: twice as many workers as there are cores.
# Small matrices on busy cores are far slower with several threads each; xdist already uses the cores.
theory measure test test-slow kill-test bench bench-slurm bench-sync bench-curvature bench-extension bench-stopping penalty-error theory-page: export OMP_NUM_THREADS := 1

# The tests start hundreds of processes; where nothing may be kept, each would compile all of sgdlab again.
test test-slow: export PYTHONDONTWRITEBYTECODE :=

test: $(VENV)/dev.stamp ## The tests, without the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-slow: $(VENV)/dev.stamp ## The slow tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m slow

kill-test: $(VENV)/runtime.stamp ## Kill commands and workers [KILLS=50] times; results must be the same to the bit
	$(BIN)/python benchmarks/kill_test.py --kills $(KILLS)

lint: $(VENV)/dev.stamp ## Style, types, and the direction of imports; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

results: $(VENV)/runtime.stamp ## Train what is missing of all papers' sweeps at laptop scale; write docs/results.md
	$(SGDLAB) run $(PAPERS) --scale laptop
	$(SGDLAB) report $(PAPERS) --scale laptop --out docs/results.md

bench: $(VENV)/bench.stamp ## Measure speed beside what one would use instead; write docs/performance.md [ACCEPT=1]
	$(BIN)/python benchmarks/bench.py $(if $(ACCEPT),--accept)

bench-gpu: $(VENV)/bench.stamp ## Many runs on one GPU: packed, one process a run, and processes sharing it
	$(BIN)/python benchmarks/bench_gpu.py

bench-slurm: $(VENV)/runtime.stamp ## A private Slurm: submit 10,080 runs, and what jobs cost beside training
	$(BIN)/python benchmarks/bench_slurm.py

bench-sync: $(VENV)/runtime.stamp ## Upload a thousand offline W&B runs to a stand-in for its server, by how many at once
	$(BIN)/python benchmarks/bench_sync.py

bench-curvature: $(VENV)/bench.stamp ## Eigenvalues and traces of Hessians beside PyHessian and curvlinops
	$(BIN)/python benchmarks/bench_curvature.py

bench-extension: $(VENV)/runtime.stamp ## Extend narrow grids over curves of known optima: runs, rounds and how often it is right
	$(BIN)/python benchmarks/bench_extension.py

bench-dashboard: $(VENV)/dev.stamp ## The dashboard at ten thousand runs, in Chromium: first content, filter, memory
	$(BIN)/python benchmarks/bench_dashboard.py

bench-stopping: $(VENV)/runtime.stamp ## Seeds in rounds and halving on made-up runs: false decisions, seeds saved, optima kept
	$(BIN)/python benchmarks/bench_stopping.py

penalty-error: $(VENV)/runtime.stamp ## Measure finite differences against the exact penalty: docs/penalty.md [QUICK=1]
	$(BIN)/python benchmarks/difference_error.py $(if $(QUICK),--quick)

theory-page: $(VENV)/runtime.stamp ## Run every check of the papers' equations: the numbers and picture of docs/theory.md
	$(BIN)/python benchmarks/theory_page.py

# ---- environment ----------------------------------------------------------------------------------------

clean-env: ## Remove the environment
	rm -rf $(VENV)

# A stamp is written when its step has finished, so a second `make` installs nothing.
$(VENV)/pip.stamp: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sgdlab needs Python 3.11 or newer: make PYTHON=…")'
	@echo "Making the environment in $(VENV): about a minute, once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --constraint constraints.txt pip
	@touch $@

$(VENV)/runtime.stamp: pyproject.toml $(VENV)/pip.stamp
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/runtime.stamp
	@$(PIP_INSTALL) --group dev
	@$(PIP_INSTALL) --no-deps --group peers
	@touch $@

$(VENV)/bench.stamp: $(VENV)/dev.stamp
	@$(PIP_INSTALL) --group bench
	@touch $@
