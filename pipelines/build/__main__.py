"""`python -m pipelines.build`: the same program as `visinstruct build`."""

import sys

from pipelines.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["build", *sys.argv[1:]]))
