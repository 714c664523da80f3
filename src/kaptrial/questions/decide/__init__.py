"""Decisions of a Bayesian trial."""
