#!/bin/sh
# Makes the two stores of this directory with a modstore 0.1: `sh make.sh MODSTORE UV PYTHON WHEELS`.
#
# They are made below /tmp/modstore-0.1, so that no path of the machine is in them. The times, the random names and the
# commit ids differ from run to run: a store that is checked in is never made again.
set -eu
modstore=$(realpath "$1") uv=$(realpath "$2") python=$(realpath "$3") wheels=$(realpath "$4")
here=$(cd "$(dirname "$0")" && pwd)
top=/tmp/modstore-0.1
rm -rf "$top"
mkdir -p "$top/repos" "$top/home/.config/uv" "$top/tools" "$top/linked" "$top/checkout"
cp "$uv" "$top/tools/uv"
cp -r "$wheels" "$top/wheels"
printf 'no-index = true\nfind-links = ["%s"]\n' "$top/wheels" > "$top/home/.config/uv/uv.toml"
export HOME="$top/home" XDG_CONFIG_HOME="$top/home/.config" XDG_CACHE_HOME="$top/home/.cache"
export MODSTORE_HOME="$top/store" PATH="$top/tools:$PATH" LC_ALL=C UV_PYTHON_DOWNLOADS=never
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.com
export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
ms() { "$modstore" -q "$@"; }
fails() { if "$modstore" -q "$@"; then echo "$* did not fail" >&2; exit 1; fi; }

commit() { # REPOSITORY MESSAGE
    git -C "$1" add -A
    git -C "$1" commit -q -m "$2"
}
repository() { # NAME
    git init -q -b main "$top/repos/$1"
    echo "$1 1" > "$top/repos/$1/README"
    commit "$top/repos/$1" 1
}

for name in branch tag commit several built broken linkable gone; do repository $name; done
git -C "$top/repos/tag" tag v1.0
echo 'tag 2' > "$top/repos/tag/README"
commit "$top/repos/tag" 2
mkdir -p "$top/repos/several/modules/first" "$top/repos/several/modules/Second.one_2"
echo first > "$top/repos/several/modules/first/a"
echo second > "$top/repos/several/modules/Second.one_2/a"
ln -s a "$top/repos/several/modules/first/link"
printf '#!/bin/sh\n' > "$top/repos/several/modules/first/run.sh"
chmod +x "$top/repos/several/modules/first/run.sh"
commit "$top/repos/several" modules
mkdir -p "$top/repos/snake/src/snake"
git init -q -b main "$top/repos/snake"
cat > "$top/repos/snake/pyproject.toml" <<'TOML'
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "snake"
version = "1.0"
TOML
echo 'VERSION = 1' > "$top/repos/snake/src/snake/__init__.py"
commit "$top/repos/snake" 1
mkdir "$top/packed"
echo packed > "$top/packed/file"
tar -C "$top" -czf "$top/packed.tar.gz" packed
sha256=$(sha256sum "$top/packed.tar.gz" | cut -d ' ' -f 1)
echo linked > "$top/linked/file"
echo checkout > "$top/checkout/file"

# Generations 1 to 6: a git module of every kind, an archive, and two directories.
ms add "git+file://$top/repos/branch@main"
ms add "git+file://$top/repos/tag@v1.0" "git+file://$top/repos/commit@$(git -C "$top/repos/commit" rev-parse HEAD)"
ms add "git+file://$top/repos/several#subdirectory=modules/first" \
    "git+file://$top/repos/several@main#subdirectory=modules/Second.one_2" "git+file://$top/repos/linkable" \
    "git+file://$top/repos/gone" "git+file://$top/repos/snake"
ms add "archive+file://$top/packed.tar.gz#sha256=$sha256"
ms add "$top/linked"
ms link linkable "$top/checkout"

# Builds: one that is allowed and ends well, and one that fails.
cat >> "$MODSTORE_HOME/modules.toml" <<TOML

[modules.built]
source = "git+file://$top/repos/built@main"
[modules.built.build]
command = ["sh", "-c", "mkdir out; cp README out/made; echo README > read"]
output = "out"
depfile = "read"

[modules.broken]
source = "git+file://$top/repos/broken@main"
[modules.broken.build]
command = ["sh", "-c", "echo no such compiler >&2; exit 1"]
TOML
ms allow built broken
fails update

# An environment that follows the store, and keeps following it after it is gone.
"$uv" venv -q --python "$python" "$top/venv"
ms bind --python "$top/venv/bin/python" snake

# Modules that cannot be fetched: for now (there is no such host), and for as long as they are declared as they are.
cat >> "$MODSTORE_HOME/modules.toml" <<TOML

[modules.away]
source = "https://git.invalid/o/away.git@main"

[modules.never]
source = "git+file://$top/repos/branch@no-such-branch"
TOML
fails update
echo 'branch 2' > "$top/repos/branch/README"
commit "$top/repos/branch" 2
fails update
ms remove gone
ms rollback
fails update
echo 'branch 3' > "$top/repos/branch/README"
commit "$top/repos/branch" 3
fails update
ms gc --keep 3 --older-than 0s

pack() { # NAME
    # Not checked in: the reserve (256 KiB of random bytes) and the mirror that git's configuration is read through. The
    # next command that writes makes both.
    tar -C "$top" --sort=name --owner=0 --group=0 --numeric-owner --exclude=store/reserve --exclude='store/mirrors/*' \
        -cf - store | gzip -9n > "$here/$1.tar.gz"
}
pack store

# The same with a journal that is compacted: a sweep does that when it is large, and more than half of it is history.
count=0
while [ "$(wc -c < "$MODSTORE_HOME/journal")" -le 262144 ]; do
    ms rollback > /dev/null
    count=$((count + 1))
done
ms gc --keep 2 --older-than 0s
echo "rolled back $count times"
pack compacted
