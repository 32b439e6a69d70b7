"""Sentinel-2's 20 m and 60 m bands at 10 m."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2_superres._lazy import offer
from s2_superres._version import __version__
from s2_superres.errors import S2SuperresError

if TYPE_CHECKING:
    from s2_superres.inference.api import superresolve
    from s2_superres.inference.arrays import SuperResolved
    from s2_superres.inference.batch import predict_batch
    from s2_superres.inference.dataset import open
    from s2_superres.products.openers import open_product
    from s2_superres.products.product import Product

__all__ = [
    "Product",
    "S2SuperresError",
    "SuperResolved",
    "__version__",
    "open",
    "open_product",
    "predict_batch",
    "superresolve",
]

__getattr__, _ = offer(
    __name__,
    {
        "Product": "products.product",
        "SuperResolved": "inference.arrays",
        "open": "inference.dataset",
        "open_product": "products.openers",
        "predict_batch": "inference.batch",
        "superresolve": "inference.api",
    },
)


def __dir__() -> list[str]:
    return __all__
