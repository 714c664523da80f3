"""HOW A TRIAL IS ANALYSED. Pure array functions, one estimator a file; axes (replicate, patient, visit)."""
