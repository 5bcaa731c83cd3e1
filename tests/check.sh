#!/bin/sh
# What must hold besides the tests: format, lints, documentation, dependencies.
set -eu
cd "$(dirname "$0")/.."
cargo fmt --all --check
cargo clippy --workspace --all-targets --quiet -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

# deny.toml says what is allowed and why; its advisories need a database that is fetched from elsewhere.
sh tests/deny.sh
PATH="$PWD/target/tools/bin:$PATH"
cargo fetch --locked --quiet
cargo deny --offline check bans licenses sources
