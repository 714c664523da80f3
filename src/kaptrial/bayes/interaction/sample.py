"""Drawing from a posterior by NUTS."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kaptrial.bayes.effects import EffectPrior
from kaptrial.bayes.interaction.data import Floats
from kaptrial.bayes.interaction.model import InteractionModel
from kaptrial.bayes.interaction.scales import prior_data

Engine = Literal["own", "pymc"]
ENGINES: tuple[Engine, ...] = ("own", "pymc")
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

    return from_pyfunc(
        size, make_density, make_expand, [np.dtype(np.float64)], [(size,)], ["theta"],
        shared_data={
            "scores": np.nan_to_num(model.data.y), **prior_data(prior, max(n_components, len(prior.components)))
        },
        make_initial_point_fn=lambda seed: model.start + np.random.default_rng(seed).uniform(-0.5, 0.5, size),
    )  # fmt: skip


def draw(
    compiled_model: Any, *, seed: int, draws: int = DRAWS, tune: int = TUNE, chains: int = CHAINS, cores: int = CORES,
    target_accept: float = TARGET_ACCEPT, progress: bool = False,
) -> Draws:  # fmt: skip
    """Draws by nutpie's NUTS, whose mass matrix is a diagonal and some directions beside it."""
    tree = _sample(compiled_model, seed, draws, tune, chains, cores, target_accept, progress)
    return Draws(thetas=np.asarray(tree.posterior["theta"]), stats=_statistics(tree))


def draw_by_pymc(
    model: InteractionModel, prior: EffectPrior, *, seed: int, draws: int = DRAWS, tune: int = TUNE,
    chains: int = CHAINS, cores: int = CORES, target_accept: float = TARGET_ACCEPT, progress: bool = False,
) -> Draws:  # fmt: skip
    """The same from the PyMC model, compiled by PyTensor: minutes the first time, and the check of `draw`."""
    import nutpie

    built = model.pymc(prior, len(prior.components))
    with warnings.catch_warnings():
        # Matrices of a few visits need no BLAS.
        warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
        ready = nutpie.compile_pymc_model(built)
    tree = _sample(ready, seed, draws, tune, chains, cores, target_accept, progress)
    posterior = {name: np.asarray(tree.posterior[name]) for name in map(str, tree.posterior.data_vars)}
    return Draws(thetas=_unconstrained(posterior), stats=_statistics(tree))


def _sample(
    model: Any, seed: int, draws: int, tune: int, chains: int, cores: int, target_accept: float, progress: bool
) -> Any:
    import nutpie

    return nutpie.sample(
        model, draws=draws, tune=tune, chains=chains, cores=cores, seed=seed, target_accept=target_accept,
        adaptation="low_rank", save_warmup=False, progress_bar=progress,
    )  # fmt: skip


def _statistics(tree: Any) -> dict[str, Any]:
    return {name: np.asarray(tree.sample_stats[name]) for name in STATISTICS if name in tree.sample_stats}


def _unconstrained(posterior: dict[str, Floats]) -> Floats:
    """PyMC's named draws as the vector of the layout."""
    lead = posterior["means"].shape[:2]
    parts = []
    for name in ("effects", "means", "slopes", "coefficients"):
        parts += [posterior[name]] if name in posterior else []
    if "therapist_sd" in posterior:
        parts += [np.log(posterior["therapist_sd"]), posterior["therapist_raw"]]
    if "patient_sd_signed" in posterior:
        parts.append(posterior["patient_sd_signed"])
    if "rho" in posterior:
        parts.append(np.log(posterior["rho"]) - np.log1p(-posterior["rho"]))
    if "correlations" in posterior:
        parts.append(_packed(posterior["sds"], posterior["correlations"]))
    elif "sds" in posterior:
        parts.append(np.log(posterior["sds"]))
    if "residual_sd" in posterior:
        parts.append(np.log(posterior["residual_sd"]))
    if "log_ratios" in posterior:
        parts.append(posterior["log_ratios"])
    return np.concatenate([part.reshape(*lead, -1) for part in parts], axis=-1)


def _packed(sds: Floats, correlations: Floats) -> Floats:
    """The rows of the Cholesky root of the covariance, its diagonal as logarithms."""
    q = sds.shape[-1]
    matrix = np.broadcast_to(np.eye(q), (*sds.shape[:-1], q, q)).copy()
    i, j = np.tril_indices(q, -1)
    matrix[..., i, j] = matrix[..., j, i] = correlations
    root = sds[..., :, None] * np.linalg.cholesky(matrix)
    rows, columns = np.tril_indices(q)
    packed = root[..., rows, columns]
    packed[..., rows == columns] = np.log(packed[..., rows == columns])
    return packed
