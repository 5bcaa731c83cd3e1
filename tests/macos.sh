#!/bin/sh
# What macOS takes, as far as Linux can try it: `sh tests/macos.sh` runs it all, `sh tests/macos.sh --quick` the part that CI runs.
#
# The cfg `modstore_as_macos` compiles on Linux the branches of macOS that Linux can run: no syncfs but a sync of each file with
# one at the end, no statx and no table of mounts, sockets that are closed on exec by a second call. The long run also type-checks
# the program for a real Mac, where the standard library for it can be installed.
#
# Limits: it is still Linux that runs. APFS, F_FULLFSYNC, the flag that hides a file and the certificates of the keychain
# never ran; `modstore selftest` on a Mac tries the first two.
set -eu
cd "$(dirname "$0")/.."

# Only this crate's tests are compiled again: its dependencies are those of the other tests.
tests_of() {
    cargo rustc --quiet --profile test --lib -p "$1" --message-format json -- --cfg modstore_as_macos |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}

if [ "${1-}" = --quick ]; then
    program=$(tests_of modstore-core)
    (cd store/core && "$program" --quiet)
    program=$(tests_of modstore-fetch)
    (cd store/fetch && "$program" --quiet transport)
    echo 'macos: the branches of macOS that Linux can run passed their tests'
    exit
fi

export CARGO_TARGET_DIR="$PWD/target/as-macos" RUSTFLAGS='--cfg modstore_as_macos'
# Not the golden traces: their barrier is another one.
cargo nextest run -p modstore-core -p modstore-fetch --no-fail-fast
cargo nextest run -p modstore-cli --no-fail-fast --test readers --test crash --test power_cuts --test many_processes --test leases \
    --test damage --test repair --test sweep --test reset --test cleaning

target=aarch64-apple-darwin
python=target/tools/packaging/bin/python
if ! rustup target add "$target" 2>/dev/null; then
    echo "macos: WARNING: the standard library for $target could not be fetched, so nothing was checked for it" >&2
elif [ ! -x "$python" ]; then
    echo 'macos: WARNING: ziglang is not in target/tools/packaging (cli/packaging/dist.py fetches it), so nothing was checked for a Mac' >&2
else
    # Some crates compile C, for which zig stands in. Nothing is linked.
    wrapper=$CARGO_TARGET_DIR/zig-cc
    cat >"$wrapper" <<END
#!/bin/sh
for word; do
    shift
    case \$word in --target=* | -arch | arm64 | -mmacosx-version-min=*) ;; *) set -- "\$@" "\$word" ;; esac
done
exec "$PWD/$python" -m ziglang cc -target aarch64-macos "\$@"
END
    chmod +x "$wrapper"
    printf '#!/bin/sh\nexec "%s" -m ziglang ar "$@"\n' "$PWD/$python" >"$wrapper-ar"
    chmod +x "$wrapper-ar"
    unset RUSTFLAGS
    CC_aarch64_apple_darwin=$wrapper AR_aarch64_apple_darwin=$wrapper-ar cargo check --quiet --target "$target" -p modstore-cli
    echo "macos: the program type-checks for $target"
fi
