# make check   installs what the tests need, then runs all that a change must pass
# make quick   the part of it that needs nothing but Rust, and no network
# make deps    Prometheus and OpenTelemetry's SDKs for the world tests, under target/deps
# make crash   the crash laboratory: KILLS=500 times SIGKILL under load, then everything compared; SEED=n repeats a schedule
# make overload  five minutes of ten times what a backend takes; OVERLOAD_SECONDS=n for another time
# make bench   what the collector costs: ns and instructions a span, ratios, allocations a request
# make fuzz    the fuzz targets of proto (needs a nightly toolchain and cargo-fuzz)

CARGO ?= cargo
DEPS := target/deps
KILLS ?= 500
OVERLOAD_SECONDS ?= 300

.PHONY: check quick lint test doc deps world crash overload bench fuzz

check: deps lint test doc world
	$(MAKE) crash KILLS=20

quick: lint test doc

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings

test:
	$(CARGO) test --locked --workspace --features phasor/world --lib --bins --test promises --test otlp --test oracle --test generated --test journal_memory

doc:
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --locked --workspace --no-deps --document-private-items

# Against the real world: Prometheus, promtool, the Python OpenMetrics parser, OpenTelemetry's SDKs.
world: $(DEPS)/stamp
	PHASOR_DEPS="$(CURDIR)/$(DEPS)" $(CARGO) test --locked -p phasor --features world --test world

deps: $(DEPS)/stamp

$(DEPS)/stamp: collector/tests/world/requirements.txt collector/tests/world/deps.sh
	sh collector/tests/world/deps.sh $(DEPS)
	touch $@

# On failure the data directory and the log are kept, and their place is printed.
crash:
	KILLS=$(KILLS) $(CARGO) test --locked -p phasor --test crash -- --nocapture

overload:
	OVERLOAD_SECONDS=$(OVERLOAD_SECONDS) $(CARGO) test --locked -p phasor --test promises -- --nocapture overload::

bench:
	$(CARGO) bench --locked -p phasor --features counted --bench cost

fuzz:
	cd proto && for target in $$(cargo fuzz list); do cargo +nightly fuzz run $$target -- -max_total_time=60 || exit 1; done
