"""Effects, in order."""
