"""The command line: `main.py` finds the command, `commands` has one module each.

May import everything, but inside the commands, so that `--help` is quick.
"""
