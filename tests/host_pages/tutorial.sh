# shellcheck shell=bash
# The tutorial: its own block of commands, in a directory that the page calls /tmp/try.
set_up() {
    export PATH="$PROGRAMS:/usr/local/bin:/usr/bin:/bin"
    real git
    example "$HERE/../../docs/tutorial.md"
}
