"""Options that several commands share, and how their texts are read.

What can be chosen is asked of the module that knows it when an option is read, so that a network
or a format that is added there can be chosen here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from s2_superres.products.remote import Sign
    from s2_superres.raster.grid import Bounds


def one_of(names: Sequence[str] | Callable[[], Iterable[str]]) -> Callable[[str], str]:
    """Return what reads an option's text as one of these names."""

    def read(text: str) -> str:
        choices = list(names() if callable(names) else names)
        if text not in choices:
            raise typer.BadParameter(f"{text!r}: choose one of {', '.join(choices)}")
        return text

    return read


def choice(names: Sequence[str], *flags: str, **more: Any) -> Any:
    """Return an option whose value is one of these names, which its help lists."""
    return typer.Option(*flags, metavar="|".join(names), parser=one_of(names), **more)


def network_names() -> tuple[str, ...]:
    """Return the networks that weights can ship for, and the two words beside them."""
    from s2_superres.choices import DEFAULT_NETWORK, NO_NETWORK
    from s2_superres.networks.family import family_names

    return (DEFAULT_NETWORK, *family_names(), NO_NETWORK)


def format_names() -> tuple[str, ...]:
    """Return the formats of an output."""
    from s2_superres.writers.formats import formats

    return tuple(formats())


class Command(TyperCommand):
    """A command whose help names what is registered, as it is when the help is shown.

    In an option's help, placeholder and default, ``{networks}``, ``{shipped}`` (those with weights
    here), ``{tiles}`` and ``{formats}`` stand for it.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fill in the names, and write the help."""
        for option in self.params:
            for part in ("help", "metavar", "show_default"):
                text = getattr(option, part, None)
                if isinstance(text, str) and re.search("{[a-z]+}", text):
                    setattr(option, part, re.sub("{([a-z]+)}", lambda m: _registered()[m[1]], text))
        super().format_help(ctx, formatter)


@cache
def _registered() -> dict[str, str]:
    from s2_superres.networks.family import families
    from s2_superres.networks.shipped import shipped_index

    known = families()
    shipped = {entry["family"] for entry in shipped_index().values()}
    largest = max(family.tile for family in known)
    smaller = [f"{f.tile} for {f.name}" for f in known if f.tile < largest]
    return {
        "networks": "|".join(family.name for family in known),
        "shipped": "|".join(family.name for family in known if family.name in shipped),
        "tiles": ", ".join([str(largest), *smaller]),
        "formats": "|".join(format_names()),
    }


def four_numbers(text: str) -> Bounds:
    """Read ``1,2,3,4`` or ``1 2 3 4``, with or without brackets."""
    parts = text.strip(" []()").replace(",", " ").split()
    try:
        left, bottom, right, top = (float(part) for part in parts)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: give four numbers, such as 1,2,3,4") from None
    return left, bottom, right, top


def function_named(text: str) -> Sign:
    """Return the function that ``module:function`` names."""
    try:
        found = resolve_name(text)
    except (ImportError, AttributeError, ValueError) as error:
        raise typer.BadParameter(
            f"{text!r}: cannot be imported ({error}); install its package, and give MODULE:FUNCTION"
        ) from None
    if not callable(found):
        raise typer.BadParameter(f"{text!r}: is no function")
    function: Sign = found
    return function


ProductArgument = Annotated[
    str,
    typer.Argument(
        metavar="PRODUCT",
        help="A .SAFE folder, its .zip, or its MTD_MSIL1C.xml or MTD_MSIL2A.xml; a STAC item or a "
        "mapping of bands as .json, or a link to an item or to a zip; an .npz crop.",
        show_default=False,
    ),
]
GranuleOption = Annotated[
    str | None,
    typer.Option(
        metavar="TILE",
        help="Which granule, for products before the end of 2016 that hold several.",
        show_default=False,
    ),
]
OffsetOption = Annotated[
    float | None,
    typer.Option(
        metavar="-1000|0",
        help="What to add to the digital numbers, where a catalogue contradicts itself.",
        show_default=False,
    ),
]
SignOption = Annotated[
    Any,
    typer.Option(
        metavar="MODULE:FUNCTION",
        parser=function_named,
        help="What makes the link to read of one in a catalogue, such as planetary_computer:sign.",
        show_default=False,
    ),
]
VerifyOption = Annotated[
    bool,
    typer.Option("--verify", help="First compare every file with the product's checksums."),
]
BboxOption = Annotated[
    Any,
    typer.Option(
        metavar="W,S,E,N", parser=four_numbers, help="Area in degrees.", show_default=False
    ),
]
BoundsOption = Annotated[
    Any,
    typer.Option(
        metavar="L,B,R,T",
        parser=four_numbers,
        help="Area in the product's CRS.",
        show_default=False,
    ),
]
ConsistentOption = Annotated[
    bool,
    typer.Option(
        "--consistent/--no-consistent",
        help="Project the output so that, degraded, it returns the measured bands.",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Threads of the network.", show_default="all cores"),
]
DeviceOption = Annotated[
    str, typer.Option(metavar="auto|cpu|gpu[:N]", help="Where the network runs.")
]
MasksOption = Annotated[
    str | None,
    typer.Option(
        "--with",
        metavar="scl,cloud",
        help="Add what the product says of its pixels: SCL, the scene classification of L2A, or "
        "CLOUD (1 clear, 2 cloud, cloud shadow or cirrus).",
        show_default=False,
    ),
]
StacOption = Annotated[
    bool,
    typer.Option("--stac", help="Write a STAC item beside the output, with the ending .json."),
]
HarmonisedOption = Annotated[
    bool,
    typer.Option(
        "--harmonised",
        help="Write digital numbers without the offset of baseline 04.00, as before it.",
    ),
]
ReflectanceOption = Annotated[
    bool, typer.Option("--reflectance", help="Write reflectance: float32, NaN for no data.")
]


def chosen_values(harmonised: bool, reflectance: bool) -> str:
    """Return what the output's numbers are to be."""
    from s2_superres.choices import Values

    if harmonised and reflectance:
        raise typer.BadParameter("--harmonised and --reflectance: give one of them")
    if reflectance:
        return Values.REFLECTANCE
    return Values.HARMONISED if harmonised else Values.DN


OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace outputs that are there already.")
]
