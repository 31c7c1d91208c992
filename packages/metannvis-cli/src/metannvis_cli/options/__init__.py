"""Options that several commands share, each group as one object, and how their values are read."""
