# shellcheck shell=bash
set_up() {
    repository llm-weather weather
    real "llm from PyPI"
}

weather() {
    cat >pyproject.toml <<'END'
[project]
name = "llm-weather"
version = "1.0"
dependencies = ["llm"]

[project.entry-points.llm]
weather = "llm_weather"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
END
    cat >llm_weather.py <<'END'
import llm

@llm.hookimpl
def register_commands(cli):
    @cli.command()
    def weather():
        print("sunny")
END
}

rains() { push llm-weather says_rain; }
says_rain() { sed -i 's/sunny/rain/' llm_weather.py; }
breaks() { push llm-weather raises; }
raises() { echo 'raise ValueError("half a commit")' >>llm_weather.py; }
