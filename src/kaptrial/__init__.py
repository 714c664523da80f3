"""Simulation and design of ketamine versus ketamine-plus-psychotherapy trials."""

from kaptrial import compile_cache

__version__ = "0.2.0"
# Which compiled sources a result comes from; it stands in the provenance of every result.
__code__ = compile_cache.source_hash()

compile_cache.use(__code__)  # before anything imports numba
