# shellcheck shell=bash
set_up() {
    repository tools tools
    repository project project
    real "git and sh"
}

tools() { echo 'echo "linted by version 1"' >lint.sh; }
newer() { push tools two; }
two() { sed -i 's/version 1/version 2/' lint.sh; }
project() { echo 'a project' >README; }
another_machine() { rm -rf ~/project && chmod -R u+w ~/.cache/store && rm -rf ~/.cache/store; }
