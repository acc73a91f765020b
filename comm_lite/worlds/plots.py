r"""Movie plots: five short sentences with names, jobs and things that mean nothing, and signs that do."""

from __future__ import annotations

import torch
from torch import Tensor

from comm_lite import _check

_PEOPLE = "Ada Ben Cleo Dan Edith Finn Greta Hugo Ines Jonas Kira Leo Mona Nils Olga Paul".split()
_JOBS = "baker teacher pilot clockmaker nurse fisherman dancer lawyer gardener postman painter mechanic".split()
_THINGS = "bicycle parrot debt scar piano secret recipe limp beard twin dog map".split()
_PLACE = {
    "sea": ["Waves break below an old lighthouse.", "In the harbour the ferry is late.", "The tide covers the beach."],
    "mountains": [
        "Snow lies on the summit.",
        "The village clings to a steep glacier.",
        "A hut above the valley opens.",
    ],
    "city": ["The subway is crowded again.", "Neon signs light the avenue.", "Traffic roars between the towers."],
    "forest": ["Owls call among the pines.", "Moss grows over a cabin.", "Deep in the woods a fire burns."],
}
# sign absent, sign present: four wordings of each
_LOVE = (
    ["{a} and {b} share an office.", "{b} sells a car to {a}.", "{a} repairs the roof of {b}.", "{b} works with {a}."],
    ["{a} falls in love with {b}.", "{b} kisses {a} at last.", "{a} wants to marry {b}.", "{b} adores {a} madly."],
)
_FILMED = (
    ["A dream opens the tale.", "A talking cat narrates.", "Everything is invented.", "Actors play it as a fable."],
    [
        "Witnesses speak in interviews.",
        "Archive footage shows it.",
        "A crew filmed real events.",
        "Experts explain it.",
    ],
)
_MISSING = (
    ["Then {c} comes to dinner.", "{c} bakes bread for all.", "{c} dances every evening.", "All neighbours visit {c}."],
    ["Then {c} goes missing.", "{c} has vanished overnight.", "Nobody finds {c} anymore.", "The police seek {c}."],
)


def write_plots(settings: Tensor, told: Tensor, *, generator: torch.Generator) -> list[str]:
    r"""Write one plot for each row: where it plays, then in any order three signs and what somebody does and has.

    Args:
        settings: (B,) integers, positions in `SETTINGS` of the posters.
        told: (B, 3) integers 0 or 1: whether love is told of, how the movie was filmed, and of somebody missing. A sign
            that is absent has a sentence too, about something else.
        generator: source of names, wordings and order, on the CPU.

    Returns:
        B texts of 28 to 36 words and full stops.

    Raises:
        TypeError: if ``told`` or ``settings`` do not hold integers.
        ValueError: if a shape or range is not as described.

    Example:
        >>> coin = torch.Generator().manual_seed(0)
        >>> write_plots(torch.tensor([0]), torch.tensor([[1, 0, 1]]), generator=coin)[0][:57]
        'The tide covers the beach. Mona is a postman with a debt.'
    """
    _check.shape("settings", settings, "B")
    _check.integers("settings", settings)
    _check.columns("told", told, (2, 2, 2), "love, how it was filmed, somebody missing")
    _check.rows("told", told, len(settings))
    places = list(_PLACE.values())
    if bool((settings < 0).any() or (settings >= len(places)).any()):
        raise ValueError(f"settings must lie in 0..{len(places) - 1}, got {settings.unique().tolist()}; see SETTINGS")

    def choose(options: list[str]) -> str:
        return options[int(torch.randint(len(options), (), generator=generator))]

    plots = []
    for place, row in zip(settings.tolist(), told.tolist(), strict=True):
        a, b, c = (_PEOPLE[i] for i in torch.randperm(len(_PEOPLE), generator=generator)[:3])
        rest = [choose(sentences[sign]) for sentences, sign in zip((_LOVE, _FILMED, _MISSING), row, strict=True)]
        rest.append(f"{{{choose(['a', 'b'])}}} is a {choose(_JOBS)} with a {choose(_THINGS)}.")
        order = torch.randperm(len(rest), generator=generator).tolist()
        plots.append(" ".join([choose(places[place]), *(rest[i] for i in order)]).format(a=a, b=b, c=c))
    return plots
