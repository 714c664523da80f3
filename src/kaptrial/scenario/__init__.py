"""Nouns: frozen descriptions of a trial and of what is assumed about the world. `files` is the only door to YAML."""
