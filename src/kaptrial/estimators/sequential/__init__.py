"""Group-sequential designs: boundaries, their characteristics, and estimates after a trial that may have stopped."""
