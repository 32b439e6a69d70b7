"""The commands ``info`` and ``sample``: what a product is, and one to try."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s2_superres.cli.options import (
    GranuleOption,
    OffsetOption,
    ProductArgument,
    SignOption,
    VerifyOption,
)
from s2_superres.cli.progress import Display

if TYPE_CHECKING:
    from s2_superres.products.product import Product


def info(
    product: ProductArgument,
    granule: GranuleOption = None,
    offset: OffsetOption = None,
    sign: SignOption = None,
    verify: VerifyOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Print what a product is: level, baseline, offsets, grid and bands."""
    from s2_superres.products.openers import open_product
    from s2_superres.products.summary import summarize

    found = open_product(product, granule, offset=offset, sign=sign)
    if verify:
        check_files(found)
    typer.echo(json.dumps(found.to_dict(), indent=2) if as_json else summarize(found))


def check_files(product: Product, *, quiet: bool = False) -> None:
    """Compare a product's files with their checksums, saying how far it is."""
    from s2_superres.products.verify import verify

    with Display(quiet=quiet) as display:
        done = verify(
            product,
            lambda part, whole: display(
                f"verified {part >> 20} of {whole >> 20} MiB", part / max(whole, 1)
            ),
        )
    if not quiet:
        typer.echo(f"verified: {done.summary()}", err=True)


def sample(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to put it; made if it is not there.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a sample that is there already.")
    ] = False,
) -> None:
    """Put a small real product into a folder, to try the other commands on."""
    from s2_superres.products.sample import copy_sample

    typer.echo(copy_sample(folder, overwrite=overwrite))
