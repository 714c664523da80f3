"""The grant pack: what a proposal says of its trial, in words, tables and figures, from one object of results."""
