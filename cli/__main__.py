"""python -m cli"""

import os
import sys

from cli.app import main

if __name__ == "__main__":
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")  # `airline ... >&-`
    sys.exit(main(sys.argv[1:]))
