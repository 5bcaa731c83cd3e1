# The commands of this project. `make` alone says what there is.

.PHONY: help demo test check bench golden schema sabotage mutants site dist dist-check

help:
	@sed -n 's/^## //p' Makefile

## make demo    the main job on a fresh machine: real git repositories, fetched, updated, cut, rolled back
demo:
	cargo run --release --quiet -p modstore-cli -- demo

## make test    set up what the tests need, and run them all
test:
	sh tests/run.sh

## make check   format, lints, documentation, dependencies
check:
	sh tests/check.sh

## make bench   ratios against named peers, in one run
bench:
	cargo run --release -p modstore-benches -- fetch

## make golden  write the golden traces anew, to be read before they are committed
golden:
	UPDATE_GOLDEN=1 cargo nextest run -p modstore-cli --test golden

## make schema  write docs/json.schema.json, to be read before it is committed
schema:
	UPDATE_GOLDEN=1 cargo nextest run -p modstore-cli --bin modstore -E 'test(schema) or test(troubleshooting)'

## make site     the documentation as a site, in target/site/book/, with every link followed
site:
	python3 docs/site.py

## make dist     every artifact of a release that this machine can make, in dist/
dist:
	python3 cli/packaging/dist.py

## make dist-check  make it twice, compare the bytes, install it in fresh environments and use it there
dist-check:
	sh cli/packaging/check.sh

## make sabotage  plant each fault of tests/sabotages/ and see that its test notices
sabotage:
	cargo run --quiet -p modstore-testbed --bin sabotage

## make mutants  how many changes cargo-mutants makes in each area; `sh tests/mutants.sh AREA K/N` tries a part of one
mutants:
	sh tests/mutants.sh
