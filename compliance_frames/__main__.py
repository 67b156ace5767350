"""Lets ``python -m compliance_frames`` be the command line."""

import sys

from compliance_frames.cli import main

if __name__ == "__main__":
    sys.exit(main())
