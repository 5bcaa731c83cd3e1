#!/bin/sh
# Puts the checker of dependencies into target/tools, unless there is one. Minutes the first time.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/target/tools/bin:$PATH"
command -v cargo-deny >/dev/null 2>&1 || cargo install --locked --quiet --debug --root target/tools cargo-deny
