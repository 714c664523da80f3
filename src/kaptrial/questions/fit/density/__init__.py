"""Log densities of the interaction models with their gradients, compiled: what the sampler evaluates."""
