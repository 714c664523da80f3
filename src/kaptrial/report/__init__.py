"""Figures and words. They receive tables and compute nothing."""
