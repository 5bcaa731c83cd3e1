#!/bin/sh
# Changes the code of one area in every way that cargo-mutants thinks of, one change at a time, and sees whether the tests of
# that area notice.
#
#   sh tests/mutants.sh                 the areas, and how many changes there are in each
#   sh tests/mutants.sh reclaim         all changes of an area: hours
#   sh tests/mutants.sh reclaim 2/24    the third of 24 parts, ten minutes: each has changes in all files
#
# Ends with 1 when a change was not noticed that tests/mutants.txt does not name. What was noticed, and the output of each
# run, is in target/mutants/AREA-PART/mutants.out/.
#
# MUTANTS_NO_BASELINE=1 leaves out the run without any change, for a part of a commit whose other parts had it.
#
# Limits: the last commit is tested, in a clone in target/mutants/, not the files as they are. An area has the tests that are
# about it, so that a change costs seconds; another test of the project may notice what these do not.
set -eu
cd "$(dirname "$0")/.."
version=27.1.0
tree=target/mutants/tree

# The files of an area, and the tests that run for each change of it.
area() {
    case $1 in
    reclaim)
        files='store/modstore/src/reclaim/*.rs'
        packages='modstore modstore-cli'
        tests='--lib --test=sweep --test=cleaning --test=golden --test=leases --test=environment_roots --test=bad_disk'
        filter='test(reclaim::) | binary(sweep) | binary(cleaning) | binary(golden) | binary(leases) | binary(environment_roots) | binary(bad_disk)'
        ;;
    commit)
        files='store/modstore/src/commit/*.rs'
        packages='modstore modstore-cli'
        tests='--lib --test=journal --test=swept --test=golden --test=formats --test=holds --test=repair --test=damage --test=sweep'
        filter='test(commit::) | binary(journal) | binary(swept) | binary(golden) | binary(formats) | binary(holds) | binary(repair) | binary(damage) | binary(sweep)'
        ;;
    disk)
        files='store/core/src/disk/*.rs'
        packages='modstore-core modstore-cli'
        tests='--lib --test=golden --test=foreign_home --test=bad_disk --test=cleaning --test=repair --test=sweep'
        filter='test(disk::) | binary(golden) | binary(foreign_home) | binary(bad_disk) | binary(cleaning) | binary(repair) | binary(sweep)'
        ;;
    logins)
        files='store/fetch/src/transport/login.rs store/fetch/src/transport/credential_helpers.rs
            store/fetch/src/transport/helper_logins.rs store/fetch/src/transport/netrc.rs store/fetch/src/transport/url_match.rs
            store/fetch/src/transport/http_request.rs store/fetch/src/transport/http_refusal.rs
            store/fetch/src/transport/remembered.rs store/fetch/src/transport/kept.rs'
        packages='modstore-fetch modstore-cli'
        tests='--lib --test=network --test=servers'
        filter='test(transport::) | binary(network) | binary(servers)'
        ;;
    limits)
        files='store/fetch/src/limits/*.rs store/fetch/src/pack/allowance.rs store/fetch/src/pack/memory_budget.rs
            store/fetch/src/transport/pace.rs store/core/src/disk/bounded.rs'
        packages='modstore-core modstore-fetch modstore modstore-cli'
        tests='--lib --test=bombs --test=bad_network'
        filter='package(modstore-fetch) | test(bounded) | binary(bombs) | binary(bad_network)'
        ;;
    doctor)
        files='store/doctor/src/check/*.rs'
        packages='modstore-doctor modstore-cli'
        tests='--lib --test=doctor'
        filter='package(modstore-doctor) | binary(doctor)'
        ;;
    *)
        echo "mutants: there is no area \`$1\`; there are: $areas" >&2
        exit 2
        ;;
    esac
}
areas='reclaim commit disk logins limits doctor'

PATH="$PWD/target/tools/bin:$PATH"
if [ "$(cargo mutants --version 2>/dev/null)" != "cargo-mutants $version" ]; then
    cargo install --locked --quiet --root target/tools --version "$version" cargo-mutants
fi

# A clone of its own: a change that a killed run has left behind is undone here and never seen anywhere else.
commit=$(git rev-parse HEAD)
[ -d "$tree/.git" ] || git clone --quiet --shared --no-checkout . "$tree"
git -C "$tree" fetch --quiet --force origin HEAD
git -C "$tree" checkout --quiet --force --detach "$commit"
mkdir -p "$tree/target"
[ -e "$tree/target/tools" ] || ln -s "$PWD/target/tools" "$tree/target/tools"
here=$PWD
cd "$tree"
unset CARGO_TARGET_DIR

words() { for word in $2; do printf '%s\n' "$1$word"; done; }

if [ $# = 0 ]; then
    for name in $areas; do
        area "$name"
        set -f
        # shellcheck disable=SC2046,SC2086 # one word for each
        printf '%-8s %s\n' "$name" "$(cargo mutants --no-config --list $(words --file= "$files") | wc -l)"
        set +f
    done
    exit
fi

area "$1"
out=$here/target/mutants/$1-$(printf %s "${2-all}" | tr / -)
rm -rf "$out"
mkdir -p "$out"
# Without what only a debugger needs, a change is built in half the time.
export CARGO_PROFILE_DEV_DEBUG=none NEXTEST_PROFILE=mutants
[ "$(id -u)" -ne 0 ] || export MODSTORE_TESTS_NO_SKIP="${MODSTORE_TESTS_NO_SKIP-1}"

set -f
# First without any change: what fails then would be taken for notice.
# shellcheck disable=SC2046,SC2086 # one word for each
if [ -z "${MUTANTS_NO_BASELINE-}" ]; then
    cargo nextest run $(words --package= "$packages") $tests -E "$filter"
fi
status=0
# shellcheck disable=SC2046,SC2086 # one word for each
cargo mutants --no-config --in-place --baseline skip --test-tool nextest --timeout 300 --build-timeout 900 --no-times \
    --output "$out" $(words --file= "$files") $(words --test-package= "$packages") \
    $(words --cargo-arg= "$tests") ${2:+--sharding round-robin --shard "$2"} -- -E "$filter" || status=$?
# 2: some were not noticed. 3: some took too long, which is notice.
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac

cd "$here"
found=$out/mutants.out
number() { wc -l <"$found/$1.txt"; }
printf '%s %s of commit %s: %s caught, %s timed out, %s unviable, %s missed\n' \
    "$1" "${2-all}" "$commit" "$(number caught)" "$(number timeout)" "$(number unviable)" "$(number missed)"
# A line of the list is the name of a change without its place, and why no test is to notice it.
sed 's/:[0-9]*:[0-9]*: /: /' "$found/missed.txt" | while IFS= read -r mutant; do
    grep -qF "$mutant | " tests/mutants.txt || printf 'NOT NOTICED  %s\n' "$mutant"
done >"$out/new.txt"
cat "$out/new.txt"
[ ! -s "$out/new.txt" ]
