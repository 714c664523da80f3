"""Looks at the data of a trial: boundaries, and what a trial with looks does."""
