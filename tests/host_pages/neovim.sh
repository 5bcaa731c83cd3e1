# shellcheck shell=bash
set_up() {
    repository greet.nvim greet
    real "Neovim of this system, without lazy.nvim"
}

greet() {
    mkdir -p lua/greet native
    printf 'local M = {}\nfunction M.hello() print("hello") end\nreturn M\n' >lua/greet/init.lua
    printf '#include <stdio.h>\nint answer(void) { return 42; }\n' >native/greet.c
}

says_more() { push greet.nvim polite; }
polite() { sed -i 's/"hello"/"good evening"/' lua/greet/init.lua; }
breaks() { push greet.nvim no_c; }
no_c() { echo 'int broken( {' >>native/greet.c; }
