"""HOW PATIENTS RESPOND. Pure array functions; axes (replicate, patient, visit). See docs/model.md for the equations."""
