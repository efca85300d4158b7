"""`python -m vosrt` is the command `vosrt`."""

import sys

from vosrt.cli import main

sys.exit(main())
