"""The catalogue of published trials, and what the calibrated model says of them.

`list`, `show` and `replicate` are what Python users call, as `kaptrial.evidence.list()`.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kaptrial.results import Line, Results


def list(indication: str | None = None, *, therapy: bool = False) -> Results[Line]:
    """The catalogued trials, one row each.

    Parameters
    ----------
    indication : str, optional
        Only trials with this text in their indication or population.
    therapy : bool
        Only trials with a psychotherapy.

    Returns
    -------
    Results

    Raises
    ------
    FieldError
        Where there is no such trial, with the indications there are.

    Examples
    --------
    >>> import kaptrial as kt
    >>> "feder2021" in kt.evidence.list("ptsd").to_frame()["key"].tolist()
    True
    """
    from kaptrial.catalogue import trial, trial_keys
    from kaptrial.errors import FieldError
    from kaptrial.evidence.terminal import trial_row
    from kaptrial.results import of_lines, provenance

    every = [trial(key) for key in trial_keys()]
    text = (indication or "").lower()
    chosen = [
        study
        for study in every
        if text in f"{study.indication} {study.population}".lower() and (study.has_therapy or not therapy)
    ]
    if not chosen:
        known = ", ".join(sorted({study.indication for study in every}))
        raise FieldError("indication", indication, f"no such trial; indications are {known}")
    return of_lines("evidence", [trial_row(study) for study in chosen], provenance())


def show(key: str) -> Results[Line]:
    """One trial: a row for each published figure, with where it was read.

    Parameters
    ----------
    key : str
        Of the catalogue.

    Returns
    -------
    Results
        Who and what the trial was stands in the provenance.
    """
    from kaptrial.catalogue import trial
    from kaptrial.evidence.terminal import figure_row, trial_row
    from kaptrial.results import of_lines, provenance

    study = trial(key)
    rows = [figure_row(study, figure) for figure in study.figures]
    return of_lines("evidence", rows, provenance(**trial_row(study)))


def replicate(keys: str | builtins.list[str] = "all", *, replicates: int = 2000, seed: int = 1) -> Results[Line]:
    """Simulate published trials under the model fitted without them, and set their figures against it.

    Parameters
    ----------
    keys : str or list of str
        Keys of the catalogue, or "all".
    replicates, seed : int

    Returns
    -------
    Results
        One row a published figure: observed, predicted interval, and where it falls.
    """
    from kaptrial.catalogue import trial
    from kaptrial.evidence.replication import replicable
    from kaptrial.evidence.replication import replicate as replicate_trials
    from kaptrial.results import of_lines, provenance

    named = replicable() if keys == "all" else [keys] if isinstance(keys, str) else keys
    table = replicate_trials([trial(key) for key in named], seed=seed, replicates=replicates)
    made = provenance(seed=seed, replicates=replicates, trials=len(named))
    return of_lines("replication", table.to_dict("records"), made)
