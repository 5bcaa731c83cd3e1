#!/bin/sh
# The long test of a release: makes everything twice, in two places, compares the bytes, and uses what was made.
#
# Two builds with all optimisation: half an hour on two processors. tests/packages.rs is the short one, which CI always runs.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/target/packaging
chmod -R u+w "$work" 2>/dev/null || true
rm -rf "$work"
mkdir -p "$work"
time=$(git -C "$root" log -1 --format=%ct)
export SOURCE_DATE_EPOCH="$time"

if [ -n "$(git -C "$root" status --porcelain)" ]; then
    echo 'check: there are changes that are not committed, and the second build is made from the last commit' >&2
    exit 1
fi
CARGO_TARGET_DIR=$work/target-1 python3 "$root/cli/packaging/dist.py" --out "$work/first"
# The same commit at another path.
git clone --quiet "$root" "$work/elsewhere"
mkdir -p "$work/elsewhere/target"
ln -s "$root/target/tools" "$work/elsewhere/target/tools"
CARGO_TARGET_DIR=$work/target-2 TZ=Asia/Tokyo python3 "$work/elsewhere/cli/packaging/dist.py" --out "$work/second"
if ! diff -r "$work/first" "$work/second"; then
    echo 'check: the same sources gave other bytes' >&2
    exit 1
fi
echo 'check: both builds have equal bytes'
sh "$root/cli/packaging/try.sh" "$work/first"
