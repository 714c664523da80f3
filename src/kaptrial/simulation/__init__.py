"""From a scenario and a seed to trials, and from a data file to the same kind of trials."""
