"""Where a product itself says that there are clouds.

L2A carries Sen2Cor's scene classification at 20 m. L1C carries a raster of
classes at 60 m from baseline 04.00 on, and polygons before that.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import ProductError
from s2_superres.products.containers import Container
from s2_superres.products.decoding import BlockSource
from s2_superres.products.layout import locate
from s2_superres.products.product import Product
from s2_superres.products.signing import UNSIGNED, Signer
from s2_superres.raster.grid import Area

#: Classes of the scene classification: shadow, cloud of medium and high probability, cirrus.
SCL_CLOUDS = (3, 8, 9, 10)
_SCL = re.compile(r"_SCL(_20m)?\.(jp2|tiff?)$")
_CLASSES = re.compile(r"MSK_CLASSI_B00\.(jp2|tiff?)$")
_POLYGONS = re.compile(r"MSK_CLOUDS_B00\.gml$")


def cloud_mask(product: Product, resolution: int) -> NDArray[np.bool_]:
    """Return where a product's own mask says cloud, cloud shadow or cirrus.

    Parameters
    ----------
    product : Product
    resolution : {20, 60}
        A pixel is cloudy where any part of it is.

    Returns
    -------
    ndarray of bool, shape (rows, cols) at `resolution`

    Raises
    ------
    ProductError
        If the product has no such mask, or it cannot be read.
    """
    container, name = find_mask(product)
    shape = (product.grid.rows * 10 // resolution, product.grid.cols * 10 // resolution)
    where = container.where(name)
    if _POLYGONS.search(name):
        return _rasterize(container.read(name), product, resolution, shape, where)
    classes = _read(container.gdal_path(name), product.signer)
    # Of the raster of classes, opaque clouds and cirrus are the first two bands, snow the third.
    clouds = np.isin(classes[:1], SCL_CLOUDS) if _SCL.search(name) else classes[:2] > 0
    return resample(np.asarray(clouds.any(axis=0)), shape, where)


def classified_clouds(product: Product, resolution: int) -> NDArray[np.bool_]:
    """Return where the scene classification that a product names says cloud, as `cloud_mask`."""
    shape = (product.grid.rows * 10 // resolution, product.grid.cols * 10 // resolution)
    return resample(
        np.isin(_read(product.clouds, product.signer)[0], SCL_CLOUDS), shape, product.clouds
    )


def find_mask(product: Product) -> tuple[Container, str]:
    """Return the file that tells where a product has clouds, and what it lies in.

    Raises
    ------
    ProductError
        If the product has none.
    """
    container, _ = locate(product.path, product.signer)
    names = sorted(name for name in container.names if name.startswith(f"{product.granule}/"))
    kinds = (_CLASSES, _POLYGONS) if product.level == "L1C" else (_SCL, _CLASSES, _POLYGONS)
    for kind in kinds:
        for name in names:
            if kind.search(name):
                return container, name
    raise ProductError(
        f"{product.path}: has no cloud mask (SCL, MSK_CLASSI or MSK_CLOUDS); "
        "leave --skip-clouds or --with cloud out, or download the complete product"
    )


def find_classification(product: Product) -> str:
    """Return the path of a ``.SAFE`` product's scene classification, empty if there is none."""
    container, _ = locate(product.path, product.signer)
    for name in sorted(container.names):
        if name.startswith(f"{product.granule}/") and _SCL.search(name):
            return container.gdal_path(name)
    return ""


def read_classes(
    path: str, size: tuple[int, int], area: Area, signer: Signer = UNSIGNED
) -> NDArray[Any]:
    """Return the classes of an area in 10 m pixels, each 10 m pixel with that of its own.

    Parameters
    ----------
    path : str
        A raster of classes.
    size : tuple of int
        The product's rows and columns of 10 m.
    area : Area
    signer : Signer, optional
        Signs the path where it is a link.

    Raises
    ------
    ProductError
        If it cannot be read, or does not fit the product.
    """
    with BlockSource(path, signer=signer) as source:
        ratio = whole_ratio(source.dataset.shape, size, path)
        around = area.outward(ratio)
        values = np.empty(around.shape, source.dataset.dtypes[0])
        source.read(around, values)
    return nearest(values, around, ratio, area)


def whole_ratio(shape: tuple[int, int], size: tuple[int, int], where: str) -> int:
    """Return how many 10 m pixels there are along the side of a pixel of classes."""
    ratio = size[0] // shape[0]
    if (shape[0] * ratio, shape[1] * ratio) != size:
        raise ProductError(
            f"{where}: the scene classification has {shape[0]} x {shape[1]} pixels, which do not "
            "fit the product's grid; download the product again"
        )
    return ratio


def nearest(values: NDArray[Any], around: Area, ratio: int, area: Area) -> NDArray[Any]:
    """Cut an area in 10 m pixels out of coarser ones, which lie at ``around``."""
    row, col = area.row - around.row * ratio, area.col - around.col * ratio
    fine = values.repeat(ratio, axis=0).repeat(ratio, axis=1)
    return fine[row : row + area.rows, col : col + area.cols]


def _read(path: str, signer: Signer) -> NDArray[Any]:
    """Return all bands of a raster, whole."""
    with BlockSource(path, signer=signer) as source:
        source.bands = list(source.dataset.indexes)
        values = np.empty((len(source.bands), *source.dataset.shape), source.dataset.dtypes[0])
        source.read(Area(0, 0, *source.dataset.shape), values)
    return values


def resample(mask: NDArray[np.bool_], shape: tuple[int, int], where: str) -> NDArray[np.bool_]:
    """Repeat or pool a mask to a shape that is a whole multiple or divisor of its own."""
    rows, cols = mask.shape
    if mask.shape == shape:
        return mask
    if shape[0] % rows == 0 and shape[1] % cols == 0:
        return mask.repeat(shape[0] // rows, axis=0).repeat(shape[1] // cols, axis=1)
    if rows % shape[0] == 0 and cols % shape[1] == 0:
        down, across = rows // shape[0], cols // shape[1]
        return np.asarray(mask.reshape(shape[0], down, shape[1], across).any(axis=(1, 3)))
    raise ProductError(
        f"{where}: the cloud mask has {rows} x {cols} pixels, which do not fit the product's grid; "
        "leave --skip-clouds out, or download the product again"
    )


def _rasterize(
    text: bytes, product: Product, resolution: int, shape: tuple[int, int], where: str
) -> NDArray[np.bool_]:
    from xml.etree.ElementTree import ParseError

    from affine import Affine
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring
    from rasterio.features import rasterize

    try:
        root = fromstring(text)
        rings = [
            np.array((node.text or "").split(), dtype=float).reshape(-1, 2)
            for node in root.iterfind(".//{*}exterior//{*}posList")
        ]
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise ProductError(
            f"{where}: the cloud mask cannot be read ({error}); download the product again"
        ) from None
    polygons = [
        {"type": "Polygon", "coordinates": [ring.tolist()]} for ring in rings if len(ring) > 3
    ]
    if not polygons:
        return np.zeros(shape, np.bool_)
    transform = Affine(*product.grid.transform(resolution))
    burned = rasterize(polygons, out_shape=shape, transform=transform, all_touched=True)
    return np.asarray(burned, dtype=np.bool_)
