"""A phase's segments on the device, and the batches that its steps take."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from keplearn.core.programs import power_above
from keplearn.data.segments import Quadrature, Segments
from keplearn.data.splits import Split
from keplearn.models.latent_architecture import LatentArchitecture
from keplearn.training.chunk import rotate
from keplearn.training.compared import OBJECTIVES
from keplearn.training.curriculum import Phase, batch_order, normal, random_rotations
from keplearn.training.measured import paths, points
from keplearn.training.optimizers import OPTIMIZERS
from keplearn.training.problem import Batch, Chance, Pieces, Setup, padded
from keplearn.training.settings import FitSettings, batch_sizes

# Steps in one call of a compiled chunk at most.
CHUNK = 128
# What the batches of a chunk may take.
DRAWN_BYTES = 32_000_000


class Batches:
    """The segments of one phase: ``data`` to train on, ``validation`` to validate on.

    ``points`` are where the field's error is measured, ``paths`` along which the propagated path's is, or None.

    A batch has ``size`` segments, all where ``drawn`` is false; up to ``steps_at_once`` steps are taken in one call.
    """

    def __init__(self, number: int, phase: Phase, setup: Setup, split: Split, settings: FitSettings):
        self.number, self.settings = number, settings
        self.count = len(split.train)
        self.size, filled = batch_sizes(phase, self.count)
        full_batch = OPTIMIZERS[phase.optimizer].full_batch
        # Where a step takes all segments there is nothing to draw, but for rotations and chance anew in every step; a
        # batch as large as wanted is drawn all the same, and so shares the program of those that leave some out.
        some = self.size < self.count or filled == phase.batch_size
        self.drawn = not full_batch and (settings.augment or "posterior" in setup.needs or some)
        with jax.enable_x64(True):
            self.data = on_device(split.train, setup, settings.dtype, (settings.seed, number, 0))
            if self.drawn:
                self.data = padded(self.data, power_above(self.count), keep=1.0)
            else:
                self.data = padded(self.data, filled, keep=0.0)
            # Pieces of other orbits have no beginnings that are trained: validation fits them.
            validated = replace(split.validation, next=None)
            self.validation = on_device(validated, setup, settings.dtype, (settings.seed, number, -1))
            # Where runs validate on data of their own there is more of it: closer sizes, at the cost of programs.
            base = 4 if split.samples is None else 2
            filled_up = power_above(len(split.validation), least=256, base=base)
            if OBJECTIVES[phase.objective].cut != "segments":  # a few, and long, or dear
                filled_up = len(split.validation)
            self.validation = padded(self.validation, filled_up, keep=0.0)
            self.points = None if split.samples is None else points(split.samples, settings.dtype)
            self.paths = None if split.paths is None else paths(split.paths, settings.dtype)
            self.keep = jnp.asarray(np.arange(filled) < self.size, settings.dtype)
            if settings.augment and full_batch:
                # An optimiser that compares values needs one function: one rotation a segment for the phase.
                turn = random_rotations(settings.seed, number, 0, 1, self.size, settings.planar)[0]
                self.data = rotate(self.data, jnp.asarray(turn, settings.dtype))
        bytes_drawn = sum(x.nbytes for x in jax.tree.leaves(self.data)) // self.data.keep.size * filled
        self.steps_at_once = _steps_at_once(bytes_drawn) if self.drawn else CHUNK

    def to_draw(self, first: int, last: int) -> tuple[Any, ...]:
        """Return the arguments of `keplearn.training.chunk.draw` for the batches of the steps first ≤ k < last."""
        seed, turns = self.settings.seed, None
        indices = batch_order(seed, self.number, first, last, self.count, self.size)
        if self.settings.augment:
            turns = random_rotations(seed, self.number, first, last, self.size, self.settings.planar)
            turns = self.pad(self._fill(turns.astype(self.settings.dtype)))
        chance = None
        if self.data.chance is not None:
            latent, dtype = len(self.data.chance.noise), self.settings.dtype
            noise = np.stack(
                [normal(latent, self.size, seed, self.number, step) for step in range(first, last)]
            )
            share = np.ones((last - first, self.size)) * self._share(np.arange(first, last))[:, None]
            chance = Chance(*(self.pad(self._fill(x.astype(dtype))) for x in (noise, share)))
        return self.data, self.pad(self._fill(indices)), turns, chance, self.keep, np.int32(last - first)

    def _share(self, steps: np.ndarray) -> np.ndarray:
        """Return the share of the posterior's distance that counts: it rises to 1 as the first phase begins."""
        over = self.settings.kl_annealing
        return np.ones(len(steps)) if self.number or not over else np.minimum(1.0, steps / over)

    def pad(self, x: np.ndarray) -> np.ndarray:
        """Fill up with zeros along the steps: arrays of one length, whatever the number of steps."""
        return np.concatenate([x, np.zeros((self.steps_at_once - len(x), *x.shape[1:]), x.dtype)])

    def _fill(self, x: np.ndarray) -> np.ndarray:
        """Fill up along the segments of a batch with copies of the last."""
        more = self.keep.size - self.size
        return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, more)], mode="edge")


def on_device(segments: Segments, setup: Setup, dtype: Any, seed: tuple[int, int, int] = (0, 0, 0)) -> Batch:
    """Make a batch of all segments, with draws of one seed. Call it inside ``jax.enable_x64(True)``."""
    array = lambda x: jnp.asarray(x, dtype)  # noqa: E731
    compared = "field" in setup.needs or OBJECTIVES[setup.objective].differences
    accelerations = array(segments.accelerations) if compared else None
    quadrature = segments.quadrature and Quadrature(*map(array, segments.quadrature))
    chance, ones = None, array(np.ones(len(segments)))
    if "posterior" in setup.needs:
        assert isinstance(setup.architecture, LatentArchitecture)
        shape = setup.architecture
        numbers = len(shape.coordinates) * shape.bound_samples
        chance = Chance(array(normal(numbers, len(segments), *seed)), ones)
    pieces = None
    if segments.next is not None:
        pieces = Pieces(jnp.arange(len(segments), dtype=jnp.int32), jnp.asarray(segments.next, jnp.int32))
    return Batch(
        array(segments.states), array(segments.times), ones, accelerations, chance, quadrature, pieces
    )


def _steps_at_once(bytes_drawn: int) -> int:
    """Steps whose batches are drawn at once: a power of two at most `CHUNK`, within `DRAWN_BYTES`."""
    fitting = max(1, min(CHUNK, DRAWN_BYTES // bytes_drawn))
    return CHUNK if fitting == CHUNK else 1 << (fitting.bit_length() - 1)
