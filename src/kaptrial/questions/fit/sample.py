"""Drawing from a posterior by NUTS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.priors.effects import EffectPrior
from kaptrial.questions.fit.model import InteractionModel
from kaptrial.questions.fit.scales import prior_data

CHAINS, CORES, TUNE, DRAWS, TARGET_ACCEPT = 4, 2, 600, 1000, 0.9
STATISTICS = ("diverging", "energy", "n_steps", "depth", "step_size", "logp")


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Draws of a posterior: `thetas`, (chain, draw, parameter), unconstrained; the sampler's statistics by name,
    (chain, draw).
    """

    thetas: Floats
    stats: dict[str, Any]

    @property
    def flat(self) -> Floats:
        """(chain × draw, parameter)."""
        return np.ascontiguousarray(self.thetas.reshape(-1, self.thetas.shape[-1]))

    @property
    def divergences(self) -> int:
        """Divergent transitions."""
        return int(self.stats["diverging"].sum())


def compiled(model: InteractionModel, prior: EffectPrior, n_components: int = 1) -> Any:
    """The model as nutpie samples it. `with_data` replaces `scores` (0 where missing) and `scales.prior_data`."""
    from nutpie.compiled_pyfunc import from_pyfunc

    size = model.layout.size

    def make_density() -> Any:
        return lambda theta, *, scores, **given: model.density(theta, scores, given)

    def make_expand(*_: Any) -> Any:
        return lambda theta, **_: {"theta": np.asarray(theta, dtype=np.float64)}

    def start(seed: Any) -> Floats:
        return model.start + np.random.default_rng(seed).uniform(-0.5, 0.5, size)

    expanded = ([np.dtype(np.float64)], [(size,)], ["theta"])
    shared = {"scores": np.nan_to_num(model.data.y), **prior_data(prior, max(n_components, len(prior.components)))}
    return from_pyfunc(size, make_density, make_expand, *expanded, shared_data=shared, make_initial_point_fn=start)


def draw(
    compiled_model: Any,
    *,
    seed: int,
    draws: int = DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    target_accept: float = TARGET_ACCEPT,
) -> Draws:
    """Draws by nutpie's NUTS, whose mass matrix is a diagonal and some directions beside it."""
    import nutpie

    tree = nutpie.sample(
        compiled_model,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=CORES,
        seed=seed,
        target_accept=target_accept,
        adaptation="low_rank",
        save_warmup=False,
        progress_bar=False,
    )
    stats = {name: np.asarray(tree.sample_stats[name]) for name in STATISTICS if name in tree.sample_stats}
    return Draws(thetas=np.asarray(tree.posterior["theta"]), stats=stats)
