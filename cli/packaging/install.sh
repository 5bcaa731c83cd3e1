#!/bin/sh
# Installs the program modstore for one user: `sh install.sh`. `sh install.sh --uninstall` removes it again.
#
# Downloads the archive for this system and the list of checksums, checks one against the other, runs the new program once,
# and only then renames it over the old one, so a failed or interrupted installation changes nothing. Needs curl or wget, tar with
# gzip, and sha256sum, shasum or openssl. Asks nothing, needs no root, edits no file of a shell.
#
# Limits: the checksums come from the same server as the archive. They find damage, not a server that lies.
set -eu

VERSION='@VERSION@'
RELEASES='https://github.com/modstore/modstore/releases/download'

usage() {
    cat <<'END'
Installs modstore for one user.

usage: sh install.sh [--to DIR] [--version VERSION] [--from URL]
       sh install.sh --uninstall [--to DIR]

  --to DIR           where the program goes [default: $XDG_BIN_HOME, else ~/.local/bin]
  --version VERSION  which version [default: the one this script belongs to]
  --from URL         the directory of the release, with the archives and SHA256SUMS: a URL or a local directory
  --uninstall        remove what this script installed; the store and its modules stay

Environment: MODSTORE_INSTALL_DIR is --to, MODSTORE_INSTALL_FROM is --from.
END
}

say() { printf '%s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$1" >&2
    [ -z "${2-}" ] || printf 'hint: %s\n' "$2" >&2
    exit 1
}
there() { command -v "$1" >/dev/null 2>&1; }

# The triple of this system, as archives are named.
platform() {
    system=$(uname -s) machine=$(uname -m)
    case $machine in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    *) fail "there is no modstore for $system on $machine" 'it is built for x86-64 and arm64; elsewhere build it: cargo install --path cli' ;;
    esac
    case $system in
    Linux) glibc && printf '%s-unknown-linux-gnu' "$machine" ;;
    Darwin) printf '%s-apple-darwin' "$machine" ;;
    *) fail "there is no modstore for $system" 'it is built for Linux and macOS' ;;
    esac
}

# Ends unless this system's C library is glibc 2.17 or later.
glibc() {
    found=$(getconf GNU_LIBC_VERSION 2>/dev/null) || found=
    case $found in
    'glibc '[0-9]*.[0-9]*) ;;
    *) fail 'modstore needs glibc, and this system has another C library' 'build it here: cargo install --path cli' ;;
    esac
    found=${found#glibc } minor=${found#*.} minor=${minor%%.*}
    if [ "${found%%.*}" -lt 2 ] || { [ "${found%%.*}" -eq 2 ] && [ "$minor" -lt 17 ]; }; then
        fail "modstore needs glibc 2.17 or later, and this system has $found" 'build it here: cargo install --path cli'
    fi
}

# Fetches $1 of the release into the file $2.
fetch() {
    case $from in
    *://*) ;;
    *)
        cp "$from/$1" "$2" 2>/dev/null || fail "there is no $1 in $from"
        return
        ;;
    esac
    secure=
    if there curl; then
        case $from in https://*) secure='--proto =https --tlsv1.2' ;; esac
        # shellcheck disable=SC2086 # several options
        curl $secure --fail --silent --show-error --location --retry 2 --connect-timeout 20 --speed-limit 1 --speed-time 60 \
            --output "$2" "$from/$1" || fail "cannot download $from/$1" 'nothing was changed; run it again'
    elif there wget; then
        wget -q -T 60 -O "$2" "$from/$1" || fail "cannot download $from/$1" 'nothing was changed; run it again'
    else
        fail 'neither curl nor wget is there, and one of them is needed' 'install one, or download the release and give its directory with --from'
    fi
}

# Prints the SHA-256 of the file $1.
sha256() {
    if there sha256sum; then
        sum=$(sha256sum "$1")
    elif there shasum; then
        sum=$(shasum -a 256 "$1")
    elif there openssl; then
        sum=$(openssl dgst -sha256 -r "$1")
    else
        fail 'none of sha256sum, shasum and openssl is there, and one is needed to check the download'
    fi
    printf '%s' "${sum%% *}"
}

# Sets `wanted` to the SHA-256 that the list in $1 has for the file $2.
look_up() {
    wanted=$(sed -n "s/^\([0-9a-f]\{64\}\)  $2\$/\1/p" "$1/SHA256SUMS")
    [ -n "$wanted" ] || fail "SHA256SUMS does not name $2" 'the release has no archive for this system, or is damaged; nothing was changed'
}

check() {
    found=$(sha256 "$1/$2")
    [ "$found" = "$wanted" ] || fail "$2 is damaged: its SHA-256 is $found, and should be $wanted" 'nothing was changed; run it again'
}

# Puts the files of the unpacked release $1 where they belong. Renames, so that a running program keeps its file.
place() {
    mkdir -p "$data/man/man1" "$data/bash-completion/completions" "$data/zsh/site-functions" "$config/fish/completions"
    cp "$1"/man/man1/modstore*.1 "$data/man/man1/"
    cp "$1/completions/modstore.bash" "$data/bash-completion/completions/modstore"
    cp "$1/completions/_modstore" "$data/zsh/site-functions/_modstore"
    cp "$1/completions/modstore.fish" "$config/fish/completions/modstore.fish"
    mv -f "$1/bin/modstore" "$to/modstore"
}

install() {
    name=$(platform)
    archive=modstore-$version-$name.tar.gz
    mkdir -p "$to" || fail "cannot make the directory $to" 'name another with --to'
    # Beside the target: the last step is a rename within one file system.
    staging=$(mktemp -d "$to/.modstore-install.XXXXXX") || fail "cannot write to $to" 'name another directory with --to'
    trap 'rm -rf "$staging"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    say "downloading modstore $version for $name"
    fetch SHA256SUMS "$staging/SHA256SUMS"
    look_up "$staging" "$archive"
    fetch "$archive" "$staging/$archive"
    check "$staging" "$archive"
    tar -xzf "$staging/$archive" -C "$staging" || fail "cannot unpack $archive" 'nothing was changed'
    unpacked=$staging/modstore-$version-$name
    said=$("$unpacked/bin/modstore" --version 2>&1) || fail "the new program does not run here: $said" 'nothing was changed; build it here: cargo install --path cli'
    place "$unpacked" || fail 'cannot write all files' "free some space, or look at the rights of $data and $config"
    say "installed $said in $to/modstore"
    found=$(command -v modstore || true)
    case :$PATH: in
    *:"$to":*)
        [ "$found" = "$to/modstore" ] || say "note: $found comes before it on your PATH"
        ;;
    *) say "note: $to is not on your PATH; add it: export PATH=\"$to:\$PATH\"" ;;
    esac
    say "to remove it: sh install.sh --uninstall --to '$to'"
}

uninstall() {
    removed=0
    for file in "$to/modstore" "$data"/man/man1/modstore.1 "$data"/man/man1/modstore-*.1 \
        "$data/bash-completion/completions/modstore" "$data/zsh/site-functions/_modstore" "$config/fish/completions/modstore.fish"; do
        [ -f "$file" ] || continue
        rm -f "$file" || fail "cannot remove $file"
        removed=$((removed + 1))
    done
    say "removed $removed files; the store and its modules are still there (modstore reset --purge deletes them)"
}

main() {
    [ -n "${HOME-}" ] || fail 'HOME is not set' 'set it, or give --to'
    to=${MODSTORE_INSTALL_DIR:-${XDG_BIN_HOME:-$HOME/.local/bin}}
    from=${MODSTORE_INSTALL_FROM-}
    version=$VERSION what=install
    while [ $# -gt 0 ]; do
        case $1 in
        --help | -h) usage && exit 0 ;;
        --uninstall) what=uninstall ;;
        --to | --from | --version)
            [ $# -ge 2 ] || fail "$1 needs a value" 'sh install.sh --help'
            case $1 in --to) to=$2 ;; --from) from=$2 ;; --version) version=$2 ;; esac
            shift
            ;;
        *) fail "there is no option $1" 'sh install.sh --help' ;;
        esac
        shift
    done
    case $to in /*) ;; *) to=$PWD/$to ;; esac
    from=${from:-$RELEASES/v$version}
    from=${from%/}
    data=${XDG_DATA_HOME:-$HOME/.local/share} config=${XDG_CONFIG_HOME:-$HOME/.config}
    $what
}

# The last line: a script that arrives only in part does nothing.
main "$@"
