# shellcheck shell=bash
# The example of the README: its own block of commands, in a directory that the page calls /tmp/try.
set_up() {
    # The README needs no uv.
    export PATH="$PROGRAMS:/usr/local/bin:/usr/bin:/bin"
    export PIP_NO_INDEX=1 PIP_FIND_LINKS="$TOOLS/wheels" PIP_DISABLE_PIP_VERSION_CHECK=1
    real "git, venv and pip"
    example "$HERE/../../README.md"
}
