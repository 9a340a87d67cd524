# `make run` shows it, `make test` tests it, `make check` is what a change has to pass.

CARGO ?= cargo

.PHONY: help run setup setup-bench test check format lint doc deny bench bench-quick bench-write bench-compare build-release interop-java fuzz fuzz-corpus

help:
	@echo "make run     start the demo: BFF, auth server and notes API on loopback"
	@echo "make test    install what the tests need, then run all of them"
	@echo "make interop-java   test Spring Security against our auth server: needs a JDK 17, Maven and Maven Central"
	@echo "make check   formatting, lints, documentation, dependency policy, tests"
	@echo "make fuzz    try the parsers of tokens, key sets and status lists with random input, a minute each (FUZZ_SECONDS=60)"
	@echo "make bench   measure the release build: start time and idle memory; the proxy beside nginx and other peers (wrk is"
	@echo "             installed); logouts, logins and refreshes of a cluster;"
	@echo "             a million sessions in each store (needs 6 GB of memory and 8 GB of disk); make bench-quick does less"
	@echo "make bench-write     measure the proxy and put table and charts into docs/benchmarks.md and the README"
	@echo "make bench-compare   measure a quick run of the proxy and compare its ratios to nginx with the committed ones"

run:
	$(CARGO) run

setup:
	tests/setup.sh

setup-bench:
	tests/setup.sh bench

test: setup
	$(CARGO) test --workspace

# Not a part of `make test`: a machine may lack Java, and Maven fetches some 60 MB the first time.
interop-java: setup
	@command -v mvn >/dev/null && javac -version >/dev/null 2>&1 || { \
		echo "make interop-java needs a JDK of version 17 or newer and Maven 3.8 or newer (Debian: default-jdk-headless maven)," >&2; \
		echo "and Maven Central or a mirror of it, named in ~/.m2/settings.xml." >&2; exit 1; }
	mvn -q -B -f tests/interop/apis/spring/pom.xml package
	$(CARGO) test --workspace --test interop-java

check: format lint doc deny test

format:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	for feature in "" actix http-keys settings status-list test-support service; do \
		$(CARGO) clippy -p resource-server --no-default-features --features "$$feature" -- -D warnings || exit 1; \
	done

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

# Licences, bans and sources are in deny.toml. Advisories are in a database that has to be fetched.
deny:
	@if ! $(CARGO) deny --version >/dev/null 2>&1; then \
		echo "NOT CHECKED: licences and security advisories of dependencies: cargo-deny is not installed here"; \
		echo "             (cargo install --locked cargo-deny). The test 'architecture' checks the bans."; \
	else \
		$(CARGO) deny check licenses bans sources || exit 1; \
		if $(CARGO) deny fetch db >/dev/null 2>&1; then \
			$(CARGO) deny check advisories; \
		else \
			echo "NOT CHECKED: security advisories of dependencies: their database cannot be fetched from here."; \
		fi; \
	fi

# What the benches start as a program.
build-release:
	$(CARGO) build --release --workspace --bin bff --bin auth-server

bench: setup-bench build-release
	tests/bench/footprint.sh
	$(CARGO) bench --workspace --bench proxy
	$(CARGO) bench --workspace --bench auth
	$(CARGO) bench --workspace --bench cluster
	$(CARGO) bench --workspace --bench scale
	$(CARGO) bench --workspace --bench enumeration
	$(CARGO) bench --workspace --bench status_list
	$(CARGO) bench --package resource-server --bench verify

bench-quick: setup-bench build-release
	tests/bench/footprint.sh
	$(CARGO) bench --workspace --bench proxy -- quick
	$(CARGO) bench --workspace --bench auth -- 1 3
	$(CARGO) bench --workspace --bench cluster -- 20
	$(CARGO) bench --workspace --bench scale -- 20000
	$(CARGO) bench --workspace --bench status_list -- 100000

# What was measured on another machine, and is not measured now, cannot stand beside it: then it is refused before it begins.
bench-write: setup-bench build-release
	$(CARGO) bench --workspace --bench proxy -- --write

# Fails when ratios to nginx are worse than the committed ones; a command and no test, for the sake of the neighbours.
bench-compare: setup-bench build-release
	$(CARGO) bench --workspace --bench proxy -- quick --compare

FUZZ_SECONDS ?= 60
FUZZ_TARGETS := token signed_token key_set status_list
# What a run finds goes here; the committed corpus is what it begins with.
FUZZ_FOUND := target/fuzz-found
# libFuzzer's instrumentation is not in the stable compiler unless it is told that we know. No sanitizer: there is no `unsafe`
# here, and the C of the crypto library is tried by its authors.
FUZZ = RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --fuzz-dir tests/fuzz --sanitizer none

fuzz:
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-fuzz --version 0.13.2
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p $(FUZZ_FOUND)/$$target; \
		echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
		$(FUZZ) $$target $(FUZZ_FOUND)/$$target tests/fuzz/corpus/$$target -- \
			-dict=tests/fuzz/words.dict -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 || exit 1; \
	done

# Adds to the committed corpus what covers more than it does.
fuzz-corpus:
	@for target in $(FUZZ_TARGETS); do \
		$(FUZZ) $$target tests/fuzz/corpus/$$target $(FUZZ_FOUND)/$$target -- \
			-merge=1 -use_counters=0 -use_cmp=0 -max_len=1024 || exit 1; \
	done
