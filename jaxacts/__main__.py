"""``python -m jaxacts``: the catalogue, curves, propagation through depth, and checks, from the command line."""

from __future__ import annotations

import sys

from jaxacts._commands import main

if __name__ == "__main__":
    sys.exit(main())
