"""Priors of effects, the deterministic posterior under them, and the calibration of samplers."""
