"""Metrics: numbers that say how good an explanation is. Importing this loads no framework."""
