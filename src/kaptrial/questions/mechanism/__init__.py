"""The response model fitted to one trial."""
