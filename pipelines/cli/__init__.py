"""The command line: `main.py` finds the command, `commands` has one module each.

Imports everything, inside the commands, so that `--help` answers at once.
"""
