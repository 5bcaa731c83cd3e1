"""`python -m modstore`: runs the program that was installed with this package, in the place of this process."""
import os
import sys

from ._program import ProgramNotFound, find_program


def main() -> None:
    try:
        program = find_program()
    except ProgramNotFound as error:
        sys.exit("error: %s\nhint: install it again: python -m pip install --force-reinstall modstore" % error)
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
