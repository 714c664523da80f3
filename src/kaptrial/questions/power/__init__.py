"""Power and the other operating characteristics."""
