#!/usr/bin/env python3
"""Follows a page, such as those of docs/hosts/, from its first line, in a clean home, and holds what it prints against the page.

    follow.py PAGE --program PATH-OF-MODSTORE [--tools target/tools]

Commands are the lines after `$ ` in blocks that are marked `console`, and go on in lines after `> `; the lines below a command are what it must print, in this
order, among others. `…` ends a line that goes on, or stands for lines. Commit ids may differ. An HTML comment `<!-- run: NAME -->`
runs a function of PAGE.sh beside this file, which is what somebody else does meanwhile: an author pushes a version, a host is upgraded.

PAGE.sh is read first. It makes the repositories, and says by `real PROGRAM` or `stand_in PROGRAM` whether the host's own program is
followed, which the last line of the output repeats.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "@@ line "


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--tools", type=Path, default=HERE.parents[1] / "target" / "tools")
    parser.add_argument("--show", action="store_true", help="print everything that the commands print")
    options = parser.parse_args()
    steps = list(read(options.page.read_text()))
    with tempfile.TemporaryDirectory(prefix="modstore-page-") as place:
        place = Path(os.path.realpath(place))
        try:
            output = run(options, steps, place)
        finally:
            subprocess.run(["chmod", "-R", "u+w", str(place)], check=False)
    if options.show:
        print(output)
    faults, commands = check(steps, output)
    for fault in faults:
        print("%s: %s" % (options.page.name, fault))
    if faults:
        print(output)
        sys.exit(1)
    with_what = re.findall(r"^follow: .*$", output, re.M)
    print("%s: %d commands; %s" % (options.page.name, commands, "; ".join(line[8:] for line in with_what)))


def read(text):
    """(line number, command or function, wanted lines) of each step."""
    step, inside = None, False
    for number, line in enumerate(text.splitlines(), 1):
        hidden = re.fullmatch(r"<!-- run: (\w+) -->", line.strip())
        if line.startswith("```"):
            inside = not inside and line.strip() == "```console"
            continue
        if hidden:
            if step:
                yield step
            step = None
            yield (number, hidden.group(1), None)
        elif inside and line.startswith("$ "):
            if step:
                yield step
            step = (number, line[2:], [])
        elif inside and step and line.startswith("> ") and not step[2]:
            step = (step[0], step[1] + "\n" + line[2:], [])
        elif inside and step:
            step[2].append(line)
    if step:
        yield step


def run(options, steps, place):
    page = options.page.stem
    programs = place / "programs"
    programs.mkdir()
    (programs / "modstore").symlink_to(options.program.resolve())
    (place / "home").mkdir()
    (place / "repos").mkdir()
    script = [". '%s'" % (HERE / "common.sh"), ". '%s'" % (HERE / (page + ".sh")), "set_up", "cd ~"]
    for number, command, wanted in steps:
        script.append("echo '%s%d'" % (MARK, number))
        command = command.replace("/tmp/try", str(place / "try"))
        script.append(command if wanted is not None else "%s >/dev/null" % command)
    tools = options.tools.resolve()
    environment = {
        "HOME": str(place / "home"),
        "PATH": os.pathsep.join([str(programs), str(tools / "uv" / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]),
        "TMPDIR": str(place),
        "LC_ALL": "C.UTF-8",
        "TOOLS": str(tools),
        "HERE": str(HERE),
        "REPOS": str(place / "repos"),
        "PROGRAMS": str(programs),
        # What an installer needs is there, and the network is not asked twice.
        "UV_FIND_LINKS": str(tools / "wheels"),
        "UV_CACHE_DIR": str(tools / "hosts" / "uv-cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    for kept in ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY", "LLVM_PROFILE_FILE"]:
        if kept in os.environ:
            environment[kept] = os.environ[kept]
    text = "\n".join(script) + "\n"
    bash = shutil.which("bash")
    ended = subprocess.run(
        [bash, "--noprofile", "--norc", "-c", text], env=environment, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", ended.stdout.decode("utf-8", "replace")).replace(str(place / "home"), "~").replace(str(place / "try"), "/tmp/try")


def check(steps, output):
    faults = []
    commands = [step for step in steps if step[2] is not None]
    for number, command, wanted in commands:
        begin = output.find("%s%d\n" % (MARK, number))
        if begin < 0:
            faults.append("line %d: `%s` did not run" % (number, command))
            continue
        said = output[begin:].split(MARK)[1].splitlines()[1:]
        at = 0
        for line in wanted:
            if line.strip() in ("", "…"):
                continue
            found = next((i for i in range(at, len(said)) if matches(line, said[i])), None)
            if found is None:
                faults.append("line %d: `%s` does not print %r after its line %d" % (number, command, line, at))
                break
            at = found + 1
    return faults, len(commands)


def matches(wanted, line):
    wanted, line = (re.sub(r"\b[0-9a-f]{7}\b", "0000000", text.rstrip()) for text in (wanted, line))
    wanted = re.sub(r"\s{2,}# .*$", "", wanted)
    if wanted.endswith("…"):
        return line.startswith(wanted[:-1].rstrip())
    return wanted == line


if __name__ == "__main__":
    main()
