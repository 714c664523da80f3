"""PROOF: published trials simulated under the calibrated model and set against what they reported."""
