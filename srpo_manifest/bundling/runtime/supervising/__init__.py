"""What `supervise.py` does, floor by floor; each module imports only what lies below it."""
