"""A room for each question, with what computes, says and draws its answer."""
