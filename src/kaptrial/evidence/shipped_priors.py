"""The names of the shipped priors: fitted to published figures, before any data, and fitted to other qualities."""

from __future__ import annotations

from kaptrial.catalogue.priors import CURRENT

PRIOR = CURRENT
BEFORE = "before_data_2026b"
VARIANTS = {"published": PRIOR, "abstracts": f"{PRIOR}_abstracts", "with_documents": f"{PRIOR}_with_documents"}
