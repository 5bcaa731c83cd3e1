#!/bin/sh
# The long test of the pages of docs/hosts/: installs the hosts' own programs from npm, 500 MB, and follows each page with the program
# `sh tests/hosts.sh [PATH-OF-MODSTORE]`, the one that cargo built last if none is given. tests/host_pages.rs is the short one.
set -eu
cd "$(dirname "$0")/.."
program=${1:-target/debug/modstore}
place=target/tools/hosts
packages='@anthropic-ai/claude-code@2.1.197 @google/gemini-cli@0.61.0 deno@2.9.6'
if [ "$(cat "$place/complete" 2>/dev/null)" != "$packages" ]; then
    mkdir -p "$place"
    # shellcheck disable=SC2086 # several packages
    npm install --silent --no-audit --no-fund --prefix "$place" $packages
    (cd "$place" && node node_modules/@anthropic-ai/claude-code/install.cjs)
    echo "$packages" >"$place/complete"
fi
for page in docs/hosts/*.md; do
    python3 tests/host_pages/follow.py "$page" --program "$program"
done
