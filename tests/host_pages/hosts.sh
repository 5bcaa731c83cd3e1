# shellcheck shell=bash
set_up() {
    repository weather weather
    repository tool-bash tool
    mkdir -p ~/.config/my-host/plugins
    real "modstore, as a host calls it"
}

weather() {
    mkdir -p src/weather
    printf 'SKY = "sunny"\n' >src/weather/__init__.py
    printf 'print("sunny")\n' >main.py
    printf 'echo sunny\n' >run.sh
    cat >pyproject.toml <<END
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "weather"
version = "1.0"
END
}
tool() { echo 'a tool' >README; }
rains() { push weather says_rain; }
says_rain() { sed -i 's/sunny/rain/' main.py run.sh src/weather/__init__.py; }
tagged() { git -C "$REPOS/weather" branch v2; }
