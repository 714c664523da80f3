"""The names of the shipped priors: of today, of before, before any data, and fitted to other qualities of evidence."""

from __future__ import annotations

from kaptrial.catalogue.priors import CURRENT, prior_names

PRIOR = CURRENT
FORMER = "depression_iv_2026"
BEFORE = "before_data_2026b"
VARIANTS = {"published": PRIOR, "abstracts": f"{PRIOR}_abstracts", "with_documents": f"{PRIOR}_with_documents"}


def shown_together() -> list[str]:
    """The priors whose cards are shown beside each other; variants where `evidence calibrate` has made them."""
    return [name for name in (BEFORE, *VARIANTS.values(), FORMER) if name in prior_names()]
