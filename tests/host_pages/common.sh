# What every page has: a git that knows who its user is and where example.com's repositories really are.
# shellcheck shell=bash

git config --global user.name me
git config --global user.email me@localhost
git config --global init.defaultBranch main
git config --global "url.file://$REPOS/.insteadOf" https://git.example.com/me/

# Says which program the page is followed with.
real() { echo "follow: the real $1"; }
stand_in() { echo "follow: a stand-in for $1"; }

# A repository with what is in the current directory's files, written by the function $2.
repository() {
    mkdir -p "$REPOS/$1"
    (cd "$REPOS/$1" && git init -q && "$2" && git add -A && git commit -q -m first)
}

# The author changes the repository $1 by the function $2.
push() { (cd "$REPOS/$1" && "$2" && git add -A && git commit -q -m next); }

# Puts the program $1 on the PATH: that of the package $2 if tests/hosts.sh installed it, else what stands in for it.
program() {
    if [ -e "$TOOLS/hosts/node_modules/.bin/$1" ]; then
        ln -s "$TOOLS/hosts/node_modules/.bin/$1" "$PROGRAMS/$1"
        real "$2 from npm"
    else
        ln -s "$HERE/stand_ins/$1" "$PROGRAMS/$1"
        stand_in "$2"
    fi
}

# Runs the block of commands by which the page $1 makes its example, in the directory that it calls /tmp/try.
example() {
    sed -n '/^mkdir -p \/tmp\/try/,/^```/p' "$1" | sed -e '/^```/d' -e "s|/tmp/try|$TMPDIR/try|g" >"$TMPDIR/example"
    # shellcheck disable=SC1091 # it was just written
    . "$TMPDIR/example"
    cd() { builtin cd "$TMPDIR/try" || exit; }
}
