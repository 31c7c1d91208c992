"""Readers of files that others made: bounded, in one way only, and without running anything."""
