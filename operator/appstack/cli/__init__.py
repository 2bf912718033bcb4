"""Command line interface: one module per command."""

EXIT_ERROR = 2
"""Exit code if a command could not run, as opposed to 1 for an AppStack with validation errors."""

EXIT_USAGE = 64
"""Exit code for wrong arguments: EX_USAGE of sysexits.h."""
