"""The subcommands of flash-train: each module has `add(parser)` for its arguments and `run(arguments)`."""
