"""The catalogue of published trials, and what the calibrated model says of them.

`list`, `show`, `replicate`, `predict`, `card`, `durations` and `sensitivity` are what Python users call, as
`kaptrial.evidence.list()`.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kaptrial.evidence.answer import PredictionResults, ReplicationResults
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
    """One trial, or another publication: a row for each figure, with where it was read.

    Parameters
    ----------
    key : str
        Of a trial of the catalogue, of another source that a scenario may name, or the path of a trial's file.

    Returns
    -------
    Results
        Citation, and who and what a trial was, stand in the provenance.

    Raises
    ------
    UserError
        Where there is no such key.

    Examples
    --------
    >>> import kaptrial as kt
    >>> kt.evidence.show("feder2021").provenance["indication"]
    'PTSD'
    >>> kt.evidence.show("cuijpers2014").to_frame()["value"][0]
    0.43
    """
    from kaptrial.evidence.answer import read_in

    return read_in(key)


def replicate(keys: str | builtins.list[str] = "all", *, replicates: int = 2000, seed: int = 1) -> ReplicationResults:
    """Simulate published trials under the model fitted without them, and set their figures against it.

    Parameters
    ----------
    keys : str or list of str
        Keys of the catalogue, paths of files of its form, or "all".
    replicates, seed : int

    Returns
    -------
    ReplicationResults
        One row a published figure: observed, predicted interval, and where it falls.

    Raises
    ------
    UserError
        Where there is no such trial, or it has no figure that the model can be asked for.
    """
    from kaptrial.evidence.answer import replicated
    from kaptrial.evidence.replication import replicable

    named = replicable() if keys == "all" else [keys] if isinstance(keys, str) else keys
    return replicated(named, seed=seed, replicates=replicates)


def predict(file: str, *, replicates: int = 2000, seed: int = 1) -> PredictionResults:
    """Predict a trial that the catalogue does not have, and say what its figures change.

    Parameters
    ----------
    file : str
        Path of a file of the catalogue's form, or a key of the catalogue. A trial that the catalogue has is predicted
        by the fit without it.
    replicates, seed : int

    Returns
    -------
    PredictionResults
        One row a figure of the file, as `replicate` has it; then, where the shipped draws could be reweighted by the
        likelihood of the figures (Pareto k at most .7), one a line of the card, before and after.

    Raises
    ------
    UserError
        Where there is no such file, it does not fit the form, or it has no figure that the model can be asked for.
    """
    from kaptrial.evidence.answer import predicted

    return predicted(file, seed=seed, replicates=replicates)


def card(prior: str | None = None, *, indication: str = "depression", seed: int = 1) -> Results[Line]:
    """What a shipped prior says a new trial would show, beside the published figures.

    Parameters
    ----------
    prior : str, optional
        Name of a shipped prior; else the default.
    indication : str
        "depression", "bipolar depression", "PTSD", "OCD" or "anxiety", in any case.
    seed : int

    Returns
    -------
    Results
        A row a line: median and 50 and 90 % intervals of a new trial, and what was published. Notes say which
        published figures lie outside, what of the indication was fitted, and how far the data narrowed the prior.

    Raises
    ------
    FieldError
        Where there is no such prior, or it does not speak of the indication.

    Examples
    --------
    >>> import kaptrial as kt
    >>> any("must not be sized by it" in note.text for note in kt.evidence.card(indication="ptsd").notes)
    True
    """
    from kaptrial.evidence.answer import card as of_prior

    return of_prior(prior, indication, seed=seed)


def durations(*, seed: int = 1) -> Results[Line]:
    """How long effects last, as the literature states it, and what the calibrated model says of the same.

    Parameters
    ----------
    seed : int

    Returns
    -------
    Results
        A row a statement: the range stated, its source, the model's median and 90 % interval for a new trial, and
        whether the interval holds the whole range, `inside`.
    """
    from kaptrial.evidence.answer import durations as stated

    return stated(seed=seed)


def sensitivity(*, seed: int = 1) -> Results[Line]:
    """What a new trial would show if other evidence had been fitted.

    Parameters
    ----------
    seed : int

    Returns
    -------
    Results
        A row for what is shipped, and for each change to it: without a fitted trial, with a trial that is held out or
        that only a document claims, with a figure read as it was before. Median and 90 % interval of response at 24 h
        to one infusion and to midazolam, and of g in PTSD. A row whose `pareto_k` is above .7 is `rough`.
    """
    from kaptrial.evidence.answer import varied_evidence

    return varied_evidence(seed=seed)
