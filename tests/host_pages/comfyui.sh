# shellcheck shell=bash
set_up() {
    repository ComfyUI-Weather node
    stand_in "ComfyUI, which imports custom_nodes as it does"
    ln -s "$HERE/stand_ins/comfyui" "$PROGRAMS/comfyui"
    mkdir -p ~/ComfyUI/custom_nodes
}

node() { echo 'NODE_CLASS_MAPPINGS = {"Weather": "sunny"}' >__init__.py; }
rains() { push ComfyUI-Weather says_rain; }
says_rain() { sed -i 's/sunny/rain/' __init__.py; }
snows() { push ComfyUI-Weather says_snow; }
says_snow() { sed -i 's/rain/snow/' __init__.py; }
