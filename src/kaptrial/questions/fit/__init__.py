"""Bayesian interaction models: one trial and a named prior of its effects to a posterior, checks and a verdict."""
