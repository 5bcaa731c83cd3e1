#!/usr/bin/env python3
"""Print the digest of the tree in a directory, as docs/format.md gives it.

usage: digest.py DIRECTORY [LIST]    LIST: also write the canonical list there (needs: pip install blake3)
"""
import os, struct, sys
from blake3 import blake3

def records(top):
    for directory, names, files in os.walk(top):
        for name in files + [name for name in names if os.path.islink(os.path.join(directory, name))]:
            path = os.path.join(directory, name)
            if os.path.islink(path):
                kind, content = 2, os.readlink(path)
            else:
                kind, content = (1 if os.stat(path).st_mode & 0o100 else 0), open(path, "rb").read()
            below = os.path.relpath(path, top)
            yield below, struct.pack("<BI", kind, len(below)) + below + struct.pack("<Q", len(content)) + blake3(content).digest()

canonical = b"".join(record for _, record in sorted(records(os.fsencode(sys.argv[1]))))
if len(sys.argv) > 2:
    open(sys.argv[2], "wb").write(canonical)
print(blake3(canonical, derive_key_context="modstore 2026 tree v1").hexdigest())
