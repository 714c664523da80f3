"""Model-based meta-analysis: the response model fitted to what trials published (docs/synthesis.md)."""
