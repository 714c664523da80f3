"""Designs side by side: what each finds, what it asks of patients and staff, and which is no better than another.

It stands above the rooms of `questions/` and asks several of them: power, assurance, the clinic."""
