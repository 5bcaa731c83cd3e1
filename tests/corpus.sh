#!/bin/sh
# Runs the doctor on the corpus of projects: tests/corpus/corpus.py says how. Not part of the tests: it takes most of an hour.
# Needs Python 3.12 or 3.11.4 to run, a package index, and a C compiler; packages are kept in --cache, so that a second run is fast.
exec "${PYTHON:-python3}" "$(dirname "$0")/corpus/corpus.py" "$@"
