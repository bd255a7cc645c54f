"""Trajectories in a latent space: its first numbers along several orbits."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from keplearn.core.errors import KeplearnError
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.draws import Paths, paths_of
from keplearn.figures.parts import style
from keplearn.figures.parts.labels import legend_columns
from keplearn.figures.registry import figure
from keplearn.models.kinds import Model


def _along(model: Model, evaluation: OrbitDataset, orbit: int, orbits: int = 4) -> dict[str, Paths]:
    """Return the paths of so many orbits, from one on, by their names."""
    some = range(orbit, min(orbit + orbits, len(evaluation)))
    return {
        f"{evaluation.orbit_names[k]}: a = {evaluation.elements[k, 0]:,.0f} km, "
        f"e = {evaluation.elements[k, 1]:.2f}": paths_of(model, evaluation, [k])
        for k in some
    }


@figure(
    "orbit",
    {
        "orbits": "How many orbits, from the one that is meant on.",
        "numbers": "How many of the latent's numbers.",
    },
    prepare=_along,
)
def latent(
    paths: dict[str, Paths], model: Model, evaluation: OrbitDataset, numbers: int = 3, title: str = ""
) -> Figure:
    """Draw the first numbers of a latent ODE's latent along several orbits.

    From the mean of the beginning of each; solid where the orbit is observed, dashed where it is forecast. The time is
    in that from the first to the last observed sample. A latent that is a state has its numbers in canonical units.

    Parameters
    ----------
    paths
        Of each orbit, by its name.
    model, evaluation
        The latent ODE, and the true orbits.
    numbers
        Of the latent.
    title
        Above the figure; by default what the orbits are of.

    Raises
    ------
    KeplearnError
        If no number is asked for, or no orbit.
    """
    if numbers < 1 or not paths:
        raise KeplearnError("There is nothing to draw: at least one orbit, and one of the latent's numbers.")
    size = next(iter(paths.values())).latents.shape[-1]
    names = [f"z{k + 1}" for k in range(size)]
    if model.field is not None:
        names = ["x", "y", "v_x", "v_y"] if size == 4 else ["x", "y", "z", "v_x", "v_y", "v_z"]
    shown = names[:numbers]
    figure, axes = style.new_figure(1.2 + 1.5 * len(shown), (1.0,) * len(shown))
    handles = []
    for (name, one), (colour, _) in zip(paths.items(), style.MODELS, strict=False):
        times, observed = one.times[0], one.observed[0]
        last = times[observed].max()
        at = (times - last) / (last - times[0])
        for k, (panel, number) in enumerate(zip(axes, shown, strict=True)):
            line = one.latents[0, 0, :, k]
            panel.plot(at[at <= 0], line[at <= 0], color=colour, gid=f"{name}:{number}")
            after = at >= 0
            panel.plot(at[after], line[after], color=colour, linestyle="--", gid=f"{name}:{number}:forecast")
        handles.append(Line2D([], [], color=colour, label=name))
    for panel, number in zip(axes, shown, strict=True):
        panel.axvspan(-1.0, 0.0, color=style.PALE, alpha=0.5, linewidth=0.0, zorder=0)
        base, _, of = number.partition("_")
        panel.set_ylabel(
            f"${base}_{of}$ (canonical)" if of else f"{number}{' (canonical)' * (model.field is not None)}"
        )
    middle = axes[0].get_xaxis_transform()
    axes[0].text(
        -0.5, 1.0, "observed", transform=middle, ha="center", va="bottom", fontsize=8.0, color=style.GREY
    )
    axes[-1].set_xlabel("time since the last observed sample, over the time observed")
    axes[-1].set_xlim(-1.0, max(axes[-1].dataLim.x1, 0.0))
    labels = [handle.get_label() for handle in handles]
    figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns(labels))
    figure.suptitle(title or f"orbits of {evaluation.name}")
    return figure
