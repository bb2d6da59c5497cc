"""The shapes of what plugs in: stages, transports, launchers."""
