# Everything a person or a machine does with this repository is a verb here.
# CI calls `make test` and nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
BIN      := $(CURDIR)/bin
GOLANGCI := $(BIN)/golangci-lint-v2.15.0
GOFUMPT  := $(BIN)/gofumpt-v0.12.0
NFPM     := $(BIN)/nfpm-v2.45.0
PACKAGES := clang-14 llvm-14 libbpf-dev bpftool bpftrace nftables coturn tshark iproute2 ethtool gcc libc6-dev make openssl rsyslog rsyslog-gnutls \
            debootstrap lintian systemd-container prometheus sip-tester baresip-core kamailio kamailio-tls-modules rtpengine-daemon
SUDO     := $(if $(filter 0,$(shell id -u)),,$(shell command -v sudo))
BENCHARGS ?=

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Some packages bring services (coturn, prometheus, rsyslog). policy-rc.d keeps them from starting.
.PHONY: deps
deps: ## install the Debian packages that tests, demo and bench use (as root or with sudo)
	@missing=$$(for p in $(PACKAGES); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
		echo "deps: installing $$(echo $$missing)"; \
		$(SUDO) apt-get update -qq; \
		policy=/usr/sbin/policy-rc.d; \
		if [ ! -e $$policy ]; then \
			printf '#!/bin/sh\nexit 101\n' | $(SUDO) install -m 755 /dev/stdin $$policy; \
			trap "$(SUDO) rm -f $$policy" EXIT; \
		fi; \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing </dev/null >/dev/null; \
	fi

.PHONY: build
build: ## build bin/turnpike (needs Go only; the BPF programs are committed)
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/turnpike ./cmd/turnpike

# VERSION: of the package, else the tag or commit. DIST: where it goes.
DIST ?= $(CURDIR)/dist
.PHONY: package
package: $(NFPM) ## make the Debian package dist/turnpike_VERSION_amd64.deb
	GO=$(GO) NFPM=$(NFPM) DIST=$(DIST) VERSION=$(VERSION) deploy/debian/build

.PHONY: generate
generate: ## compile the BPF programs and make all generated files anew (needs clang-14)
	$(GO) generate ./...

.PHONY: run
run: build ## try it: a node in a small network of its own (root) or on loopback, until Ctrl-C
	$(BIN)/turnpike dev

.PHONY: demo
demo: deps build ## coturn's client and a pion client through a node on XDP, with a report
	$(SUDO) $(BIN)/turnpike demo

.PHONY: demo-cluster
demo-cluster: deps build ## four nodes form a cluster 80 ms apart, phones on different peers talk on XDP, one is killed
	$(SUDO) $(BIN)/turnpike demo cluster

.PHONY: bench
bench: deps build ## measure limit, relay, coturn and pion in one run (BENCHARGS for choices)
	$(SUDO) env "PATH=$$PATH" $(GO) run ./perf/bench $(BENCHARGS)

.PHONY: bench-flood
bench-flood: deps build ## measure how much rubbish the innocent do not notice, beside coturn (BENCHARGS)
	$(SUDO) env "PATH=$$PATH" $(GO) run ./perf/bench -parts flood $(BENCHARGS)

.PHONY: bench-sip
bench-sip: deps build ## measure what SIP costs beside Kamailio and rtpengine (BENCHARGS)
	$(SUDO) env "PATH=$$PATH" $(GO) run ./perf/sipbench $(BENCHARGS)

.PHONY: bench-cluster
bench-cluster: deps build ## measure a cluster of real nodes at 80 ms: changes, deaths, 20,000 registrations (BENCHARGS)
	$(SUDO) env "PATH=$$PATH" $(GO) run ./perf/clusterbench $(BENCHARGS)

.PHONY: test
test: deps build fresh vet lint ## everything: generated files, linters, all tests with -race (root: namespaces too)
	$(GO) test -race -timeout 20m ./...

.PHONY: check
check: vet fmt ## the quick part: no root, no namespaces, under 3 minutes
	$(GO) test -short ./control/... ./cmd/... ./dataplane/... ./docs/...

.PHONY: fuzz
fuzz: ## each fuzz target for a while (FUZZTIME=30s)
	@for target in $$(grep -rl --include='*_test.go' 'func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -h -o 'func Fuzz[A-Za-z0-9_]*' $$target/*_test.go | cut -d' ' -f2); do \
			echo "fuzz: $$target $$f"; \
			$(GO) test $$target -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME); \
		done; \
	done
FUZZTIME ?= 30s

.PHONY: soak
soak: ## simulate clusters for long, SEEDS=1000 new runs of each size, and break real ones (about 40 minutes)
	TURNPIKE_SIM_SEEDS=$(SEEDS) TURNPIKE_SIM_FIRST=$(FIRST) $(GO) test -run 'TestSimulated$$' -count 1 -v -timeout 12h ./cluster/...
	$(GO) test ./cmd/turnpike/clustertest -run 'TestShared' -count 1 -v -timeout 1h -args -long
SEEDS ?= 1000
FIRST ?= $(shell date +%s)

.PHONY: vet
vet:
	$(GO) vet ./...

.PHONY: fmt
fmt: $(GOFUMPT)
	@wrong=$$($(GOFUMPT) -l $$(git ls-files '*.go')); \
	if [ -n "$$wrong" ]; then echo "not formatted (run $(GOFUMPT) -w FILE):" >&2; echo "$$wrong" >&2; exit 1; fi

.PHONY: lint
lint: fmt $(GOLANGCI) ## format and static checks
	$(GOLANGCI) run ./...

# The committed BPF objects must be what the committed sources compile to, or a
# reader of the C reads another program than the one that runs.
GENERATED = find . -name '*.o' -o -name '*_bpfel.go' -o -name '*_gen.go' -o -path ./bpf/reasons.h -o -path './docs/*.md' | sort | xargs sha256sum

.PHONY: fresh
fresh: deps
	@before=$$($(GENERATED)); $(GO) generate ./...; \
	if ! diff <(echo "$$before") <($(GENERATED)) >&2; then \
		echo "generated files were not up to date: they are now; look at them and commit" >&2; exit 1; fi

$(GOLANGCI):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(BIN)/golangci-lint $@

$(GOFUMPT):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) $(GO) install mvdan.cc/gofumpt@v0.12.0
	mv $(BIN)/gofumpt $@

# 2.46 to 2.48 need a module that cannot be had.
$(NFPM):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
	mv $(BIN)/nfpm $@
