#!/bin/sh
# What must hold besides the tests: format, lints, documentation, dependencies.
set -eu
cd "$(dirname "$0")/.."
cargo fmt --all --check
cargo clippy --workspace --all-targets --quiet -- -D warnings
# The program and the library have one name, so their pages have one place: one after the other.
export RUSTDOCFLAGS="-D warnings"
cargo doc --package modstore-cli --bin modstore --no-deps --document-private-items --quiet
cargo doc --workspace --no-deps --document-private-items --quiet

# What macOS takes, where Linux can run it.
sh tests/macos.sh --quick

# deny.toml says what is allowed and why.
sh tests/deny.sh
PATH="$PWD/target/tools/bin:$PATH"
cargo fetch --locked --quiet
cargo deny --offline check bans licenses sources

# Advisories need a database that is fetched. A machine that cannot reach it says so; CI on a public network does reach it.
if cargo deny fetch db >/dev/null 2>&1; then
    cargo deny --offline check advisories
else
    echo 'check: WARNING: the database of advisories could not be fetched, so advisories were NOT checked' >&2
fi
