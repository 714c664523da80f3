"""What the self-check says of its ranks: parameters outside their bands, and fits that mixed badly."""

import numpy as np
import pandas as pd

from kaptrial.evidence.terminal import show_self_check
from kaptrial.priors.sbc import RANKED_DRAWS


def test_a_parameter_outside_its_band_and_rough_fits_are_said(capsys):
    n = 64
    ranks = pd.DataFrame({"fit": range(n), "r_hat": [1.2] + [1.0] * (n - 1), "divergences": [0, 3] + [0] * (n - 2)})
    ranks["even"] = np.arange(n) % (RANKED_DRAWS + 1)
    ranks["low"] = 0
    show_self_check(ranks)
    said = " ".join(capsys.readouterr().out.split())
    assert "64 fits, 1 with an R-hat above 1.05, 1 with a divergence; of 2 parameters" in said
    assert said.endswith(": low")
