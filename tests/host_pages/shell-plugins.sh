# shellcheck shell=bash
set_up() {
    repository zsh-greet greet
    repository tmux-clock clock
    real "zsh and tmux of this system"
    tmux() { command tmux -S "$TMPDIR/tmux" -f ~/.tmux.conf "$@"; }
}

greet() { echo 'greet() { echo "hello, $1" }' >zsh-greet.plugin.zsh; }
clock() {
    printf '#!/bin/sh\ntmux set-option -g @clock one\n' >clock.tmux
    chmod +x clock.tmux
}

says_more() { push zsh-greet polite; }
polite() { sed -i 's/hello,/good evening,/' zsh-greet.plugin.zsh; }
two() { push tmux-clock tick; }
tick() { sed -i 's/one/two/' clock.tmux; }
