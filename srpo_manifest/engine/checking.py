"""What `validate` checks: the decoder always, the stages where they have something to say."""
