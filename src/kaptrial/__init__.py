"""Simulation and design of ketamine versus ketamine-plus-psychotherapy trials."""

__version__ = "0.1.0"
