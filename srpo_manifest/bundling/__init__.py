"""Values to bash text."""
