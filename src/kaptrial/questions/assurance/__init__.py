"""Power averaged over a design prior."""
