"""The comparison in words: which design dominates, or what is traded for what; and what is to be minded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kaptrial.comparison.differences import advantage, difference, dominated_by, dominates, price, shared
from kaptrial.comparison.measures import ASKED, BY_NAME, CLINIC_REPLICATES, ERRORS, Compared, accrual_of
from kaptrial.output.terminal import by_mcse, error
from kaptrial.questions.power.headline import percent
from kaptrial.questions.power.verdicts import verdicts
from kaptrial.results import Headline, Note, Value

# Why a measure is not known of a design.
_WHY_UNKNOWN = {
    "type_i_error": "no null of the model makes the sides alike, or a margin is tested",
    "assurance": "there is no prior",
    "therapist_hours": "the minutes of a session are not given",
    "expected_n_null": "no null of the model makes the sides alike",
    "expected_months": "the designs with looks recruit at different rates",
    "months": "there is no clinic",
    "cost": "there is no clinic with costs",
}


_LESS = {
    "cost": "costs less",
    "therapist_hours": "takes fewer therapist hours",
    "n": "has fewer patients",
    "expected_n": "expects fewer patients",
}


def headline(compared: Sequence[Compared]) -> Headline:
    """Which design dominates; or that none does, and what the most powerful costs beside the one that asks least.

    Numbers: `most_power`, `asks_least`, the names of the two; `by`, what is asked; `difference` in power, with its
    `mcse`; `more`, how much more the first asks.
    """
    best = [d for d in compared if all(dominates(d, other) for other in compared if other is not d)]
    if best:
        text, numbers = _dominant(best[0], [d for d in compared if d is not best[0]])
    else:
        text, numbers = _trade(compared)
    if not _one_question(compared):
        text += "; they answer different questions"
    return Headline(text=f"{text}.", numbers=numbers)


def _one_question(compared: Sequence[Compared]) -> bool:
    return all(each.design.asks_the_same(compared[0].design) for each in compared)


def _dominant(best: Compared, others: Sequence[Compared]) -> tuple[str, dict[str, Value]]:
    whom = others[0].name if len(others) == 1 else f"the {len(others)} others"
    powers = " and ".join(f"{_power(other)} ({other.name})" for other in others)
    names = [name for name in BY_NAME if any(name in shared(best, o) and advantage(best, o, name) == 1 for o in others)]
    gains = ", ".join(BY_NAME[name].words for name in names)
    text = f"{best.name} dominates {whom}: no worse in anything compared and better in {gains}; its power is"
    return f"{text} {_power(best)}, against {powers}", {"dominates": best.name}


def _trade(compared: Sequence[Compared]) -> tuple[str, dict[str, Value]]:
    left = [design for design in compared if not dominated_by(design, compared)]
    beaten = [design for design in compared if design not in left]
    by = price(compared)
    most = max(left, key=lambda d: d.estimates["power"].value)
    least = min(left, key=lambda d: d.estimates[by].value)
    text = "None dominates"
    if beaten:
        said = ", ".join(f"{each.name} (by {', '.join(dominated_by(each, compared))})" for each in beaten)
        text = f"Dominated: {said}; of the other {len(left)} none dominates"
    numbers: dict[str, Value] = {"most_power": most.name, "asks_least": least.name, "by": by}
    if most is least:
        text += f": {_highest(most, left)}, and asks least in {BY_NAME[by].words}"
        return f"{text}, but {_why_not(most, left)}", numbers
    gain, more = difference(most.estimates["power"], least.estimates["power"]), _amount(most, least, by)
    numbers |= {"difference": gain.value, "mcse": gain.mcse}
    numbers["more"] = difference(most.estimates[by], least.estimates[by]).value
    points = f"{by_mcse(100 * gain.value, 100 * gain.mcse)} ± {error(100 * gain.mcse)} points"
    if gain.value <= ERRORS * gain.mcse:
        same = f"{least.name} and {most.name} are not told apart in power, {_power(least)} and {_power(most)}"
        return f"{text}: {same} ({points}), and {most.name} takes {more}", numbers
    return f"{text}: {_highest(most, left)}, {points} above {least.name}, and takes {more}", numbers


def _highest(most: Compared, others: Sequence[Compared]) -> str:
    """That a design has the highest power, and of which others it is not told apart."""
    alike = [other.name for other in others if other is not most and advantage(most, other, "power") == 0]
    aside = f" (not told apart from {', '.join(alike)})" if alike else ""
    return f"{most.name} has the highest power, {_power(most)}{aside}"


def _why_not(best: Compared, others: Sequence[Compared]) -> str:
    """Why a design with the highest power at the lowest price does not dominate all others, as a clause."""
    for other in others:
        names = [BY_NAME[name].words for name in shared(other, best) if advantage(other, best, name) == 1]
        if names:
            return f"{other.name} is better in {', '.join(names)}"
    for name in ASKED:
        lacking = [each.name for each in others if name not in each.estimates]
        if 0 < len(lacking) < len(others):
            return f"{BY_NAME[name].words} of {', '.join(lacking)} are unknown"
    return "not beyond Monte Carlo error of the others"


def _amount(most: Compared, least: Compared, by: str) -> str:
    """How much more a design takes, in words."""
    more = difference(most.estimates[by], least.estimates[by])
    if by == "cost":
        return f"{more.value:,.0f} ± {more.mcse:,.0f} {most.currency} more"
    return f"{by_mcse(more.value, more.mcse) if more.mcse else f'{more.value:,.0f}'} more {BY_NAME[by].words}"


def _power(design: Compared) -> str:
    estimate = design.estimates["power"]
    return percent(estimate.value, estimate.mcse)


def notes(compared: Sequence[Compared]) -> list[Note]:
    """Where like is not compared with like, what is not known of a design, and what its power warns of."""
    return [*_unlike(compared), *_unknown(compared), *(note for each in compared for note in _warnings(each))]


def _unlike(compared: Sequence[Compared]) -> Iterator[Note]:
    designs = [each.design for each in compared]
    if not _one_question(compared):
        asked = "; ".join(design.asked_in_words() for design in designs)
        text = f"the designs answer different questions, and so do their powers: {asked}"
        yield Note(code="different_questions", severity="warning", text=text)
    worlds = [(d.name, differing) for d in designs[1:] if (differing := d.differing_world(designs[0]))]
    if worlds:
        said = "; ".join(f"{name} ({', '.join(differing)})" for name, differing in worlds)
        text = f"more differs than the trial: what is assumed of the world is not that of {designs[0].name} in {said}"
        yield Note(code="different_worlds", severity="warning", text=text)
    if len({repr(d.scenario.prior) for d in designs if d.has_assurance}) > 1:
        text = "assurance is over each design's own prior, and these differ"
        yield Note(code="different_priors", severity="warning", text=text)
    if len({each.currency for each in compared if "cost" in each.estimates}) > 1:
        text = "costs in different currencies are not set against each other"
        yield Note(code="currencies", severity="warning", text=text)


def _unknown(compared: Sequence[Compared]) -> Iterator[Note]:
    for name, why in _WHY_UNKNOWN.items():
        lacking = [each.name for each in compared if name not in each.estimates]
        if 0 < len(lacking) < len(compared):
            text = f"{BY_NAME[name].words} of {', '.join(lacking)}: unknown, as {why}"
            yield Note(code="unknown", severity="information", text=text)
    looked = [each.name for each in compared if each.design.has_looks]
    if looked:
        yield Note(code="looks", severity="information", text=_about_looks(compared, looked))
    if any("months" in each.estimates for each in compared):
        text = (
            f"months and cost are of the trial in its clinic, {CLINIC_REPLICATES} replicates; power is of the protocol"
            " as written"
        )
        yield Note(code="clinic", severity="information", text=text)


def _about_looks(compared: Sequence[Compared], looked: Sequence[str]) -> str:
    """What of designs with looks is of the trial that stops, and what is not."""
    whole = [BY_NAME[name].words for name in ("n", "exposed", *ASKED) if any(name in d.estimates for d in compared)]
    text = (
        f"{', '.join(looked)}: power, errors and what is expected are of the trial that looks may stop;"
        f" {', '.join(whole)} of one that goes on to its end"
    )
    one_sided = [each for each in compared if each.design.is_one_sided]
    if 0 < len(one_sided) < len(compared):
        text += f"; {', '.join(each.name for each in one_sided)} at α {one_sided[0].alpha:g} on the side of benefit"
    accrual = accrual_of([each.design for each in compared])
    if accrual is not None and len(looked) < len(compared):
        text += f"; designs without looks are taken to recruit {accrual:g} patients a month as those with them do"
    return text


def _warnings(each: Compared) -> Iterator[Note]:
    for note in (*verdicts([each.power]), *each.power.notes):
        if note.severity != "information":
            yield replace(note, text=f"{each.name}: {note.text}")


def title(compared: Sequence[Compared], on_front: Sequence[Compared], by: str) -> str:
    """What the figure shows, in a line."""
    if len(on_front) == 1:
        less = _LESS[by]
        return f"No design has more power than {on_front[0].name}, and none {less}"
    return f"{len(on_front)} of {len(compared)} designs are bettered by none in both power and {BY_NAME[by].words}"


def axis(by: str, compared: Sequence[Compared]) -> str:
    """What the axis of the price is called."""
    if by == "cost":
        return f"Cost of the trial, million {compared[0].currency}"
    return {"therapist_hours": "Therapist hours", "n": "Patients", "expected_n": "Expected patients"}[by]
