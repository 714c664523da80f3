"""Trials and a plan to estimates: the same estimators on simulated and real data."""
