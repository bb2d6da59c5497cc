"""Facts and wishes to a plan; a plan to lines."""
