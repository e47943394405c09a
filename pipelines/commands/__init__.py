"""One module a command: `add_arguments(parser)` and `run(parsed, rest, parser) -> status`."""
