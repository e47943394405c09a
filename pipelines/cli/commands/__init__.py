"""One module a command: `add_arguments(parser)` and `run(parsed, rest, parser) -> status`.

Imports everything; each command is imported when it is called.
"""
