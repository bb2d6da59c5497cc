"""What upstream's source says: contracts, edits of its argv, trainer descriptions."""
