# shellcheck shell=bash
# Amplifier keeps clones in ~/.amplifier/cache, installs them editable, and an update deletes a clone that an install still leads to.
set_up() {
    repository tool-weather tool
    stand_in "amplifier, in the layout of its cache and environment"
    ln -s "$HERE/stand_ins/amplifier" "$PROGRAMS/amplifier"
    amplifier install
    export PATH=~/.local/bin:$PATH
}

tool() {
    mkdir tool_weather
    echo 'def today(): return "sunny"' >tool_weather/__init__.py
    cat >pyproject.toml <<'END'
[project]
name = "tool-weather"
version = "1.0"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
END
}

rains() { push tool-weather says_rain; }
says_rain() { sed -i 's/sunny/rain/' tool_weather/__init__.py; }
