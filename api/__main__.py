"""`python -m api` serves, as `cairn serve` does, with the same options."""

import sys

from api.cli import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
