"""The names of the shipped priors: fitted to published figures, before any data, and fitted to other qualities."""

from __future__ import annotations

PRIOR = "depression_iv_2026b"
BEFORE = "before_data_2026b"
VARIANTS = {"published": PRIOR, "abstracts": f"{PRIOR}_abstracts", "with_documents": f"{PRIOR}_with_documents"}
