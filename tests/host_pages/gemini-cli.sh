# shellcheck shell=bash
set_up() {
    repository weather extension
    program gemini gemini-cli
    export GEMINI_CLI_TRUST_WORKSPACE=true GEMINI_TELEMETRY_ENABLED=false
}

extension() {
    echo '{"name": "weather", "version": "1.0.0", "contextFileName": "GEMINI.md"}' >gemini-extension.json
    echo 'It is sunny.' >GEMINI.md
}

version_2() { push weather second; }
second() { sed -i 's/1.0.0/2.0.0/' gemini-extension.json; }
gone() { mv "$REPOS/weather" "$REPOS/elsewhere"; }
