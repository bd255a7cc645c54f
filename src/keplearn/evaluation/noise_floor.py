"""What noise on the observed states leaves open even to one who knows the law but for its strength."""

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.baselines import along_kepler
from keplearn.systems.two_body import TwoBody

# Of central differences, of the size of what is changed.
_STEP = 1e-6


def noise_floor(dataset: OrbitDataset, noise: float) -> float:
    """Return the mean error of the acceleration, %, that noise leaves to a fit of the gravitational parameter.

    The bound of Cramér and Rao: all orbits are known to be Kepler's about one centre, their beginnings and the
    gravitational parameter are fitted to all observed samples, and no unbiased fit has a smaller variance than the
    inverse of the information (Kay, Fundamentals of Statistical Signal Processing: Estimation Theory, 1993, section
    3.7). A relative error of the parameter is that of every acceleration; its mean size is sqrt(2/pi) of its standard
    deviation. A model that has to learn the law's shape too stands above it.

    Parameters
    ----------
    dataset
        True orbits; what is observed of them says which samples count.
    noise
        Standard deviation of each component, of the radius on positions and of the speed on velocities; of planar
        orbits within their plane alone.

    Raises
    ------
    KeplearnError
        If the dataset's law is not that of two bodies.
    """
    if not isinstance(dataset.system, TwoBody):
        raise KeplearnError(
            f"{dataset.name} does not obey the law of two bodies: its noise floor is not known."
        )
    mu, planar = dataset.mu, [0, 1, 3, 4] if dataset.planar else [*range(6)]
    begin, truth = dataset.states[:, 0], dataset.states
    sizes = np.linalg.norm(truth.reshape(*truth.shape[:2], 2, 3), axis=-1)
    deviations = noise * np.repeat(sizes, 3, axis=-1)

    along = lambda state, mu: along_kepler(state, dataset.times, mu)  # noqa: E731
    changes = _STEP * np.repeat(sizes[:, 0], 3, axis=-1)
    slopes = [
        (along(begin + changes * unit, mu) - along(begin - changes * unit, mu)) / (2 * _STEP)
        for unit in np.eye(6)[planar]
    ]
    slopes.append((along(begin, mu * (1 + _STEP)) - along(begin, mu * (1 - _STEP))) / (2 * _STEP))
    scaled = np.stack(slopes, axis=-1)[:, :, planar] / deviations[:, :, planar, None]
    scaled = np.where(dataset.is_observed[..., None, None], scaled, 0.0)
    information = np.einsum("oscp,oscq->opq", scaled, scaled)
    # What the beginnings take of the information on the parameter, each orbit's by itself (Schur's complement).
    shared, own = information[:, :-1, -1], information[:, :-1, :-1]
    taken = np.einsum("op,op->o", shared, np.linalg.solve(own, shared[..., None])[..., 0])
    left = float((information[:, -1, -1] - taken).sum())
    return 100.0 * float(np.sqrt(2.0 / np.pi / left))
