# make test    everything that guards the project; installs what it needs on Debian
# make mutants breaks the code line by line and expects red (R56)
# make fuzz    every parser, FUZZTIME inputs each; FUZZTIME=10m for a campaign
# make bench   the side-by-side table of bench/README.md
# make timing  statistical test of constant time, on a quiet machine (R4)
# make build   bin/milagro

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := test

# Without ADX a processor cannot run blst's default build: build the portable one.
export CGO_CFLAGS ?= -O2 -D__BLST_PORTABLE__

FUZZTIME ?= 5000x
FUZZBUILD ?= -fuzz=Fuzz
PURE_GO := CGO_ENABLED=0 go

.PHONY: test tools rest bench-tools vet race purego cross sdk fuzz rows mutants bench timing build vectors clean

test: tools vet race rest
	@echo 'make test: all passed'

# What leaves a processor idle for long, at once.
rest:
	@$(MAKE) --no-print-directory --output-sync -j 4 FUZZBUILD= purego cross sdk fuzz rows

# What a fresh Debian machine with Go lacks: a C compiler for cgo, node for sdk/js,
# PostgreSQL and Chromium for the tests, and the programs of test/interop.
# The tests start servers of their own: Debian's packages shall neither make a cluster
# nor start a daemon, now or when the machine boots.
POLICY := /usr/sbin/policy-rc.d
tools:
	@export PATH="$$PATH:/usr/sbin:/sbin"; missing=(); daemons=(); \
	need() { command -v "$$1" >/dev/null || missing+=("$${@:2}"); }; \
	daemon() { command -v "$$1" >/dev/null || { missing+=("$$2"); daemons+=("$$3"); }; }; \
	need gcc gcc libc6-dev; need node nodejs; need npm npm; \
	need chromium chromium; need curl curl; need openssl openssl; need ip iproute2; need mosquitto_pub mosquitto-clients; need redis-cli redis-tools; \
	daemon apache2 apache2 apache2; [ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || missing+=(libapache2-mod-auth-openidc); \
	daemon nginx nginx-light nginx; daemon redis-server redis-server redis-server; daemon mosquitto mosquitto mosquitto; \
	if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && ! command -v postgres >/dev/null; then \
	  missing+=(postgresql); daemons+=(postgresql); \
	  mkdir -p /etc/postgresql-common/createcluster.d; \
	  echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/milagro.conf; \
	fi; \
	[ $${#missing[@]} -gt 0 ] || exit 0; \
	if [ ! -e $(POLICY) ]; then trap 'rm -f $(POLICY)' EXIT; printf '#!/bin/sh\nexit 101\n' >$(POLICY); chmod 755 $(POLICY); fi; \
	apt-get update -qq; apt-get install -y -qq --no-install-recommends "$${missing[@]}"; \
	if [ $${#daemons[@]} -gt 0 ] && command -v systemctl >/dev/null; then systemctl --quiet disable "$${daemons[@]}"; fi
	@for d in test/interop/openid-client test/browser; do [ -d $$d/node_modules ] || (cd $$d && npm ci --silent); done

vet:
	go vet ./...
	go tool staticcheck ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'gofmt would change these'; exit 1; }

# Servers' tests wait for disks and clocks: four packages at once keep two processors
# busy. Code that only computes and is not ours has no races that we could make: it is
# not instrumented. What bench measures is rows' business; vet has had its turn.
COMPUTING := modernc.org/sqlite/lib golang.org/x/crypto/argon2 golang.org/x/crypto/blake2b crypto/internal/fips140/...
race:
	CGO_ENABLED=1 go test -race -vet=off $(COMPUTING:%=-gcflags=%=-race=false) -p 4 -timeout 20m $$(go list ./... | grep -v /bench$$)

# Without cgo: everything is built, what computes is tested, and so is the demo, with
# every process of it, ceremony and channel too. Servers, wallets, the rounds of a
# ceremony and the checks of a handshake are tested with cgo alone: both backends
# reproduce one digest (R6), and these tests take their time.
purego:
	$(PURE_GO) build ./...
	$(PURE_GO) test -vet=off $$($(PURE_GO) list ./... | grep -vE '/(cmd/milagro|internal/(agent|authority|bridge|ceremony|dkg|login|oidc|proxy|store)|idtls|wallet|bench|test)')
	$(PURE_GO) test -run TestDemoHolds ./cmd/milagro

# The other word size.
cross:
	GOOS=linux GOARCH=arm $(PURE_GO) build ./...

# The second implementation, against the vectors; and the pages' scripts are what their
# sources make.
sdk:
	cd sdk/js && npm ci --silent && npm test && npm run bundle -- --check

# Every row of the bench can be measured.
rows:
	go test -vet=off ./bench

# One binary a package; it fuzzes one target at a time, guided by coverage. So few
# inputs as in 'make test' learn nothing from that, and binaries without it are quick
# to build: there FUZZBUILD is empty.
fuzz:
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u | while read -r pkg; do \
	  go test -c $(FUZZBUILD) -o "$$dir/fuzz.test" "$$pkg"; \
	  for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$pkg"/*_test.go | sed 's/func //'); do \
	    (cd "$$pkg" && "$$dir/fuzz.test" -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) \
	      -test.fuzzcachedir "$$dir/cache" -test.parallel 2) >"$$dir/log" 2>&1 || { cat "$$dir/log"; exit 1; }; \
	    echo "fuzz $$pkg $$target: $$(grep -o 'execs: [0-9]*' "$$dir/log" | tail -n 1)"; \
	  done; \
	done

mutants:
	cd sdk/js && npm ci --silent
	go run ./test/mutants

bench: bench-tools
	go run ./bench

# What the sidecar's rows are compared with.
bench-tools: tools
	@export PATH="$$PATH:/usr/sbin:/sbin"; missing=(); \
	for p in stunnel4 haproxy; do command -v $$p >/dev/null || missing+=($$p); done; \
	[ $${#missing[@]} -gt 0 ] || exit 0; \
	if [ ! -e $(POLICY) ]; then trap 'rm -f $(POLICY)' EXIT; printf '#!/bin/sh\nexit 101\n' >$(POLICY); chmod 755 $(POLICY); fi; \
	apt-get update -qq; apt-get install -y -qq --no-install-recommends "$${missing[@]}"; \
	if command -v systemctl >/dev/null; then systemctl --quiet disable "$${missing[@]}"; fi

timing:
	go test -count=1 -tags timing -run Timing -v -timeout 60m ./internal/pairing

build:
	go build -trimpath -o bin/milagro ./cmd/milagro

vectors:
	go run ./spec/generate

clean:
	rm -rf bin sdk/js/dist sdk/js/node_modules
