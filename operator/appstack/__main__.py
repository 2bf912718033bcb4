"""Entry point of `python -m appstack`."""

import sys

from appstack.cli.__main__ import main

sys.exit(main())
