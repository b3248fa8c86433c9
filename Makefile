# Every target readies the machine first (packaging/bootstrap.sh); what is ready already costs nothing.
python = .venv/bin/python
DESTDIR =
DROPIN =
export DESTDIR DROPIN

.PHONY: help demo test test-e2e check build deb rpm install uninstall bench soak torture conformance clean distclean
.NOTPARALLEL:

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: ## two pods joined by a bridge: what is made, who served each call, pings (root)
	packaging/bootstrap.sh demo
	packaging/build.sh
	$(python) -m tests.demo

test: ## all tests, the real cnitool and reference plugins included (root)
	packaging/bootstrap.sh test
	packaging/build.sh
	packaging/peers.sh
	$(python) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-e2e: ## only the tests under containerd, its CRI and podman, a part of `make test` (root)
	packaging/bootstrap.sh test
	packaging/build.sh
	packaging/peers.sh
	$(python) -m pytest tests/e2e

check: ## lint, format, types and unit tests, in seconds and without root
	packaging/bootstrap.sh check
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy
	$(python) -m pytest tests/unit

build: ## dist/cni: the executables, ready to install here or to copy to a node; dist/cni-conformance
	packaging/bootstrap.sh build
	packaging/build.sh
	packaging/build-conformance.sh

deb: build ## dist/cni-veth_VERSION_ARCHITECTURE.deb
	packaging/deb/build.sh

rpm: build ## dist/cni-veth-VERSION-1.ARCHITECTURE.rpm, by rpmbuild
	packaging/rpm/build.sh

install: build ## to $(DESTDIR)/opt/cni; DROPIN=1: also under the names bridge and host-local
	dist/cni/install.sh install

uninstall: ## undo install
	packaging/install.sh uninstall

bench: ## every call beside the reference plugins, and the bars; RECORD=1: also into docs/performance.md (root)
	packaging/bootstrap.sh test
	packaging/build.sh
	packaging/peers.sh
	$(python) -m tests.bench --json build/bench.json --svg build/bench.svg $(if $(RECORD),--record)

N = 100000
soak: ## N=100000 calls of every kind through one server: nothing grows, nothing is left (root)
	packaging/bootstrap.sh demo
	packaging/build.sh
	$(python) -m tests.soak -n $(N)

torture: ## cni-ipam killed, failed and cut off at every system call, then N=1000000 operations of its model (root)
	packaging/bootstrap.sh test
	packaging/build.sh
	$(python) -m tests.torture $(if $(filter command line,$(origin N)),-n $(N))

conformance: ## judge our plugins clause by clause; PLUGIN=path [PROFILE=name] judges another; RECORD=1: also docs/conformance.md (root)
	packaging/bootstrap.sh $(if $(RECORD),test,demo)
ifdef PLUGIN
	$(python) -m conformance --plugin $(PLUGIN) $(if $(PROFILE),--profile $(PROFILE))
else
	packaging/build.sh
	$(if $(RECORD),packaging/peers.sh)
	$(python) -m tests.judge $(if $(RECORD),--record)
endif

clean: ## remove what was built and cached
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o -path ./.peers -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## remove the virtual environment and the test peers too
	rm -rf .venv .peers
