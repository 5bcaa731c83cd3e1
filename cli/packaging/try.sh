#!/bin/sh
# Installs what dist.py made, in fresh environments, and uses it there: `sh cli/packaging/try.sh [DIST]`.
#
# Says for each way of installing what it did; a tool that is missing is named, and that way is skipped. Takes a minute.
set -eu
dist=$(cd "${1:-$(dirname "$0")/../../dist}" && pwd)
tools=$(cd "$(dirname "$0")/../.." && pwd)/target/tools
PATH="$PATH:$tools/uv/bin"
place=$(mktemp -d)
trap 'chmod -R u+w "$place"; rm -rf "$place"' EXIT
export RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}"
export HOME="$place/home" MODSTORE_HOME="$place/store" UV_CACHE_DIR="$place/uv" npm_config_cache="$place/npm-cache"
unset XDG_DATA_HOME XDG_CONFIG_HOME XDG_BIN_HOME XDG_CACHE_HOME
mkdir -p "$HOME"

say() { printf 'try: %s\n' "$*"; }
there() { command -v "$1" >/dev/null 2>&1 || { say "SKIPPED: there is no $1"; return 1; }; }
one() { for found in "$dist"/$1; do [ -e "$found" ] && { printf '%s' "$found"; return; }; done; say "there is no $1 in $dist" >&2; exit 1; }

# Uses the program $1 as a person would, and holds what it prints.
use() {
    version=$("$1" --version)
    rm -rf "$place/module" "$place/environment"
    mkdir -p "$place/module"
    "$1" -q link module "$place/module" >/dev/null
    [ "$("$1" path module)" = "$MODSTORE_HOME/current/module" ]
    "$1" -q verify >/dev/null
    chmod -R u+w "$MODSTORE_HOME" && rm -rf "$MODSTORE_HOME"
    say "$2: $version works"
}

# The interpreters of this machine, one a line.
pythons() {
    if command -v uv >/dev/null 2>&1; then
        uv python list --only-installed --no-config 2>/dev/null | awk '{ print $2 }'
    else
        command -v python3
    fi
}

wheel() {
    wheel=$(one 'modstore-*.whl')
    seen=
    for python in $(pythons); do
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        case " $seen " in *" $version "*) continue ;; esac
        case $version in 3.[0-7] | 2.*) continue ;; esac
        environment=$place/python-$version
        "$python" -m venv "$environment" 2>/dev/null || continue
        seen="$seen $version"
        "$environment/bin/python" -m pip install --quiet --no-index --disable-pip-version-check "$wheel"
        use "$environment/bin/modstore" "pip, Python $version"
        [ "$("$environment/bin/python" -m modstore --version)" = "$("$environment/bin/modstore" --version)" ]
        "$environment/bin/python" -W error -c 'import modstore; assert modstore.pin and modstore.find_program()'
        "$environment/bin/python" -c 'import modstore, os; os.stat(os.path.join(os.path.dirname(modstore.__file__), "py.typed"))'
        # Installed twice, as an upgrade does it, and removed without a trace.
        "$environment/bin/python" -m pip install --quiet --no-index --disable-pip-version-check --force-reinstall "$wheel"
        "$environment/bin/python" -m pip uninstall --quiet --yes modstore
        [ ! -e "$environment/bin/modstore" ]
    done
    [ -n "$seen" ] || { say 'no Python could make an environment'; exit 1; }
    if there uv; then
        uv tool run --quiet --offline --no-config --from "$wheel" modstore --version >/dev/null
        uv tool install --quiet --offline --no-config "$wheel"
        use "$HOME/.local/bin/modstore" 'uv tool install'
        uv tool uninstall --quiet --no-config modstore
    fi
}

# The cure: an editable install that leads nowhere is found by the program that uv runs from the wheel.
cure() {
    there uv || return 0
    wheel=$(one 'modstore-*.whl')
    uv venv --quiet --no-config "$place/broken"
    site=$(echo "$place"/broken/lib/python*/site-packages)
    mkdir "$site/weather-1.0.dist-info"
    printf 'Metadata-Version: 2.1\nName: weather\nVersion: 1.0\n' >"$site/weather-1.0.dist-info/METADATA"
    printf '{"dir_info": {"editable": true}, "url": "file://%s/gone"}' "$place" >"$site/weather-1.0.dist-info/direct_url.json"
    printf '%s/gone\n' "$place" >"$site/_editable_impl_weather.pth"
    printf '_editable_impl_weather.pth,,\nweather-1.0.dist-info/METADATA,,\nweather-1.0.dist-info/direct_url.json,,\nweather-1.0.dist-info/RECORD,,\n' \
        >"$site/weather-1.0.dist-info/RECORD"
    began=$(date +%s%N)
    said=$(uv tool run --quiet --offline --no-config --from "$wheel" modstore doctor --python "$place/broken" 2>&1) && exit 1
    ended=$(date +%s%N)
    case $said in *'D01 broken  weather'*) ;; *) printf '%s\n' "$said"; exit 1 ;; esac
    say "uvx modstore doctor: found the broken install in $(((ended - began) / 1000000)) ms"
}

# The sdist is a workspace that cargo takes. It is not built here: that takes minutes.
sdist() {
    there cargo || return 0
    mkdir "$place/sdist"
    version=$(basename "$(one 'modstore-*.whl')" | cut -d - -f 2)
    tar -xzf "$(one "modstore-$version.tar.gz")" -C "$place/sdist"
    cargo metadata --format-version 1 --offline --manifest-path "$place"/sdist/modstore-*/cli/Cargo.toml >/dev/null
    say 'sdist: cargo takes it'
}

npm_packages() {
    there node && there npm || return 0
    mkdir "$place/npm"
    echo '{"private": true}' >"$place/npm/package.json"
    (cd "$place/npm" && npm install --silent --offline --ignore-scripts --no-audit --no-fund "$(one 'modstore-[0-9]*.tgz')" "$(one 'modstore-*-*64-*.tgz')")
    use "$place/npm/node_modules/.bin/modstore" "npm, node $(node --version)"
    use "$(cd "$place/npm" && node -p 'require("modstore").program()')" 'the program that the npm package names'
}

installer() {
    sh "$dist/install.sh" --from "$dist" >/dev/null
    use "$HOME/.local/bin/modstore" 'install.sh'
    sh "$dist/install.sh" --uninstall >/dev/null
    [ ! -e "$HOME/.local/bin/modstore" ]
}

checksums() {
    if command -v sha256sum >/dev/null 2>&1; then
        (cd "$dist" && sha256sum --quiet --check SHA256SUMS)
    else
        (cd "$dist" && shasum -a 256 --quiet --check SHA256SUMS)
    fi
    say 'SHA256SUMS holds'
}

# No more than 12 MB for the program and 5.5 MB for the wheel. The other platforms were never built, so that theirs is only said.
sizes() {
    tar -xzf "$(one 'modstore-*-*-*.tar.gz')" -C "$place"
    program=$(wc -c <"$(echo "$place"/modstore-*/bin/modstore)")
    wheel=$(wc -c <"$(one 'modstore-*.whl')")
    say "the program has $program bytes, the wheel $wheel"
    case $(one 'modstore-*-*-*.tar.gz') in
    *-x86_64-unknown-linux-gnu.tar.gz)
        [ "$program" -le 12000000 ] && [ "$wheel" -le 5500000 ] || { say 'that is too much: docs/decisions/0098 says where bytes come from'; exit 1; }
        ;;
    esac
}

checksums
sizes
wheel
cure
sdist
npm_packages
installer
