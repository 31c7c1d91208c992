"""Methods that need predictions only."""
