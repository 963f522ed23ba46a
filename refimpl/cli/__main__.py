"""Run the command as `python -m refimpl.cli`."""

import sys

from refimpl.cli import main

sys.exit(main())
