# shellcheck shell=bash
set_up() {
    repository weather plugin
    program claude claude-code
    export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1
}

plugin() {
    mkdir -p .claude-plugin skills/forecast
    echo '{"name": "weather", "version": "1.0.0", "description": "forecasts", "author": {"name": "me"}}' >.claude-plugin/plugin.json
    printf -- '---\nname: forecast\ndescription: Says the weather\n---\nIt is sunny.\n' >skills/forecast/SKILL.md
}

version_2() { push weather second; }
second() {
    sed -i 's/1.0.0/2.0.0/' .claude-plugin/plugin.json
    mkdir skills/storms
    printf -- '---\nname: storms\ndescription: Warns of storms\n---\nNone today.\n' >skills/storms/SKILL.md
}
