# demo    the whole thing on real daemons, with live output
# squid-demo  a squid's log through Kafka and a model into OpenSearch, with Metron's configs
# test    every test, real daemons included
# lint    formatting and lints
# bench   the figures of docs/benchmarks.md
# verify  what must hold before a change is offered
# chaos, chaos-quick, sim, seeded-bugs, fuzz: deep runs, each with its own words below

HOST   := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
BIN    := $(CURDIR)/target/dist
STATIC := target/static
CARGO  := cargo
export MAAS_BIN := $(BIN)

.PHONY: demo squid-demo test lint bench verify build pipeline failpoints chaos chaos-quick sim conformance seeded-bugs fuzz schema docs man tools clean

demo: build
	@e2e/demo.sh

squid-demo: build pipeline
	@e2e/squid-demo.sh

test: build
	@e2e/run-tests.sh

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

bench: build
	@$(CARGO) bench --locked -q -p maas-stellar --bench evaluate
	@$(CARGO) bench --locked -q -p maas-client --bench choose --bench calls
	@$(CARGO) bench --locked -q -p maas-e2e --bench bench

verify: lint test

# The binaries as a user has them: side by side. The runner is static, so that it runs on any node.
build: tools
	@mkdir -p $(BIN)
	$(CARGO) build --release --locked -p maasctl -p maas-operator -p maas-e2e
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --profile runner --locked -p maas-runner --target $(HOST) --target-dir $(STATIC)
	@install -m 755 target/release/maasctl target/release/maas-operator target/release/cluster cli/bin/maas_service.sh cli/bin/maas_deploy.sh $(STATIC)/$(HOST)/runner/maas-runner $(BIN)
	@$(BIN)/cluster fetch

# The squid pipeline beside the rest; apart, because of Kafka's client in C.
pipeline: tools
	@mkdir -p $(BIN)
	$(CARGO) build --release --locked -p maas-pipeline
	@install -m 755 target/release/maas-pipeline examples/squid/bin/zk_load_configs.sh examples/squid/bin/start_parser_topology.sh $(BIN)

# Real faults on real daemons, one after another or (SOAK_SECONDS, CHAOS_SEED) overlapping; FAULTS="F11 zk-restart" for some.
chaos: failpoints
	$(CARGO) test --locked -q -p maas-e2e --test chaos -- $(FAULTS)

# The eight most telling ones; also part of the tests.
chaos-quick: build
	$(CARGO) test --locked -q -p maas-e2e --test chaos -- --quick

# Deep simulation: SIM_SECONDS (480), SIM_SEED (1).
sim: tools
	$(CARGO) run --release --locked -q -p maas-sim

# The simulated peers beside the real ones: CONFORMANCE_SEED.
conformance: build
	$(CARGO) test --locked -q -p maas-e2e --test conformance -- --include-ignored --test-threads=1 --nocapture

# Each seeded bug, and the test that notices it.
seeded-bugs: tools
	$(CARGO) test --release --locked -q -p maas-sim --features seeded-bugs --test sim -- --ignored --nocapture --exact seeded::every_seeded_bug_is_noticed

# Hostile bytes against every parser: FUZZ_SECONDS (600), FUZZ_SEED. Needs a C++ compiler.
fuzz: tools
	@CARGO="$(CARGO)" fuzz/run.sh

# The same with an operator that ends at an effect of choice; in next/, one of those as a later build would be; in dynamic/, a
# runner that a library can be loaded into.
failpoints: build
	@mkdir -p target/failpoints/next target/failpoints/dynamic
	$(CARGO) build --release --locked -p maas-runner
	@install -m 755 target/release/maas-runner target/failpoints/dynamic/
	$(CARGO) build --release --locked -p maas-operator --features fail-points,maas-store/newer-records
	@install -m 755 target/release/maas-operator $(BIN)/maas-runner target/failpoints/next/
	$(CARGO) build --release --locked -p maas-operator --features fail-points
	@install -m 755 $(BIN)/* target/failpoints/ && install -m 755 target/release/maas-operator target/failpoints/

schema:
	MAAS_BLESS=1 $(CARGO) test --locked -p maas-crd

# What the docs have of the program: docs/cli.md, and the README's picture of the view.
docs: tools
	MAAS_BLESS=1 $(CARGO) test --locked -q -p maasctl --lib picture
	MAAS_BLESS=1 $(CARGO) test --locked -q -p maasctl --test manual

# Man pages, into target/man/man1: man -M target/man maasctl-get
man: tools
	$(CARGO) run --locked -q -p maasctl -- manual man target/man/man1

tools:
	@e2e/check-tools.sh

clean:
	$(CARGO) clean
