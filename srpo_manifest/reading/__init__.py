"""Text to values: nothing here opens a file."""
