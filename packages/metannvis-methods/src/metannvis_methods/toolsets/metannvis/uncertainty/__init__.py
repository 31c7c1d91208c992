"""Uncertainty: predictions over dropout masks, evidence, calibration. Importing this loads no framework."""
