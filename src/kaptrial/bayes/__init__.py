"""BELIEF: from the catalogue to priors."""
