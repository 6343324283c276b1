# The two front doors are `make run` and `make test`: each does all its own set-up on a fresh Debian 12 as root.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup model build run test check fmt bench compare figures-transcribe figures-engine figures-service figures-seats figures-live figures-speakers figures-web web fuzz sanitize clean

BIN := target/release/gijiroku
# Node as setup brings it where the system's is too old.
export PATH := $(CURDIR)/web/.node/bin:$(PATH)

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 28

setup: ## Install what the build needs (apt, checks cargo); quiet when nothing is missing
	@./.ci/setup.sh

model: setup build ## Fetch the weights and import them; quiet when they are there
	@models/fetch.sh
	@$(BIN) model import --quiet base
	@for model in ge2e segmentation-3 campplus; do $(BIN) model import --quiet $$model; done

web: setup ## Build the pages into web/dist; quiet when nothing has changed
	@web/build.sh

build: setup web ## Build the release binary with the pages in it
	@cargo build --release --locked --quiet

run: model ## Start the server; the first time it prints the link by which the administrator is made
	@$(BIN) serve

# The build of the tests is the only one: a program built by itself has other features of the crates, and is another.
test: setup ## Run every test, for real: model, engine child, both databases, damaged files
	@./.ci/setup.sh test
	@web/build.sh
	@cd web && npm run --silent unit
	@cargo test --release --locked --no-run
	@models/fetch.sh
	@$(BIN) model import --quiet base
	@for model in ge2e segmentation-3 campplus; do $(BIN) model import --quiet $$model; done
	@cargo test --release --locked
	@echo 'The pages in a browser, on the program and the model just built (pictures: web/test/browser/shots):'
	@cd web && npm run --silent browser
	@echo 'The same office on PostgreSQL:'
	@OFFICE_DATABASE=postgres cargo test --release --locked --test it -- accounts:: exports:: fencing:: minutes:: recordings:: roles:: \
		rooms:: seats:: textwork:: transfers:: uploads:: voices::

check: setup ## The fast gate before a commit
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --release --locked --no-deps --document-private-items
	cargo test --release --locked --test tidy
	web/build.sh
	cd web && npm run --silent check && npm run --silent unit
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check; else echo 'check: cargo-deny is not installed (cargo install cargo-deny): licences and advisories were not checked'; fi

fmt: ## Format the code
	cargo fmt

bench: model ## Criterion benches: decode, resample, VAD, import, recognition
	cargo bench --locked

compare: model ## The same meeting by faster-whisper and by us, alternately
	@benches/compare.sh

figures-transcribe: model ## Measure every promised figure afresh
	@benches/figures-transcribe.sh

figures-engine: model ## Measure what our own engine promises: CPU, latency, memory, encoder, CER
	@benches/figures-engine.sh

figures-service: model ## Measure what the service promises: faults, edits, load, contract, roles
	@./.ci/setup.sh test
	@benches/figures-service.sh

figures-seats: setup ## Measure what the seats promise: no seat twice, none lost, grants, storms, restarts
	@benches/figures-seats.sh

figures-live: model ## Measure what live captions promise: latency, rooms at once, accuracy, eight hours, faults
	@benches/figures-live.sh

figures-speakers: model ## Measure what is promised of speakers: errors, their number, cost, naming
	@benches/figures-speakers.sh

figures-web: setup ## Measure what the pages promise: size, opening, typing, scrolling, accessibility, stories
	@./.ci/setup.sh test
	@benches/figures-web.sh

fuzz: ## Fuzz decoder, licences and the protocol of seats, a minute each (needs cargo-fuzz and clang)
	cd fuzz && for target in decode frames licence seats; do RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=60; done

# The compiler checks every access of ours at every level this machine has; what tile instructions touch, it cannot see:
# for those the tests put the operands before a page without access.
sanitize: setup ## Run the kernel tests with the address sanitizer
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test --release --locked --test kernels \
		--target $$(rustc -vV | sed -n 's/^host: //p')

clean: ## Remove what was built; keeps the weights
	cargo clean
