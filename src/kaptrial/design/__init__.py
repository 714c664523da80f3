"""Operating characteristics, sample size and their execution."""
