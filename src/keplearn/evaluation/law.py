"""The law that a learned field amounts to over the training states, in two numbers.

All numbers are float64, in km and s. The truth is the two-body law with the training dataset's μ.
"""

from dataclasses import dataclass

import numpy as np

from keplearn.core.shapes import OrbitStates, VectorArray
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.units import check_mu
from keplearn.evaluation.field import accelerations
from keplearn.evaluation.planes import into_planes, osculating_planes, rotate_back
from keplearn.evaluation.power_law import fit_power_law
from keplearn.evaluation.statistics import finite_mean
from keplearn.evaluation.subject import Subject
from keplearn.evaluation.vectors import angle_deg
from keplearn.models.kinds import Model


@dataclass(frozen=True)
class Law:
    """The law a = −(``mu_hat``/R²) (r/R)^(−``n_hat``) that a field amounts to, R = ``reference_radius``.

    Attributes
    ----------
    mu_hat
        km³/s², whatever the exponent: R² times the fitted acceleration at R. For n̂ = 2 it is μ.
    n_hat
        The exponent; the truth's is 2. NaN for circles of one radius, where μ̂ stands alone.
    mu
        The truth's μ, km³/s².
    reference_radius
        R, km: the geometric mean of the training states' radii, where the fit knows μ̂ best.
    residual_percent
        Rms of |a_θ| over the fitted law less 1, in %: how far the field is from any law of this form.
    direction_deg
        Mean angle between a_θ and the direction to the centre, degrees: no part of the fit, which is of sizes.
    lost
        Training states at which a_θ is not finite, or 0: left out.
    """

    mu_hat: float
    n_hat: float
    mu: float
    reference_radius: float
    residual_percent: float
    direction_deg: float
    lost: int

    @property
    def mu_ratio(self) -> float:
        """μ̂/μ."""
        return self.mu_hat / self.mu


def law(model: Model, training: OrbitDataset) -> Law:
    """Fit a = −μ̂ r^(−n̂) to the learned field over the training states: what law was learned.

    Least squares of log|a_θ(**y**)| on log r over all samples of all training orbits, each of equal weight. A
    planar model meets orbits in space as in `keplearn.evaluation.rollout.evaluate`.

    Parameters
    ----------
    model
        A model with its units.
    training
        The orbits that it was trained on.

    Returns
    -------
    law
        μ̂ (km³/s²) and n̂, the residual (%), and the direction's error (degrees).

    Raises
    ------
    KeplearnError
        If the model has no units or another mu.
    """
    check_mu(model.units, training)
    real = np.isfinite(training.times)
    states = training.states[real]
    found = accelerations_in_planes(model, training.states)[real]
    radii, sizes = np.linalg.norm(states[:, :3], axis=-1), np.linalg.norm(found, axis=-1)
    reference = float(np.exp(np.log(radii).mean()))
    fit = fit_power_law(radii, sizes, reference)
    return Law(
        mu_hat=fit.scale * reference**2,
        n_hat=-fit.exponent,
        mu=training.mu,
        reference_radius=reference,
        residual_percent=fit.rms_percent,
        direction_deg=finite_mean(angle_deg(found, -states[:, :3])),
        lost=int((~(np.isfinite(sizes) & (sizes > 0.0))).sum()),
    )


def accelerations_in_planes(model: Model, states: OrbitStates) -> VectorArray:
    """A model's acceleration (orbit, sample, 3), km/s², at states of orbits; a planar one's in each orbit's plane."""
    if not Subject.model(model).planar:
        return accelerations(model, states)
    planes = osculating_planes(states[:, 0])
    return rotate_back(planes, accelerations(model, into_planes(planes, states)))
