#!/bin/sh
# Sets up what the tests need, and runs all of them. Arguments go to the test runner.
set -eu
cd "$(dirname "$0")/.."
sh tests/setup.sh
# As root everything can be had, so a skipped test is a failed one.
[ "$(id -u)" -ne 0 ] || export MODSTORE_TESTS_NO_SKIP="${MODSTORE_TESTS_NO_SKIP-1}"
# Some tests wait for time limits and for servers.
processors=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
export NEXTEST_TEST_THREADS="${NEXTEST_TEST_THREADS-$((processors + 1))}"
cargo test --quiet --workspace --doc
exec cargo nextest run --workspace --no-fail-fast "$@"
