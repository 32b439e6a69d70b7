"""By what a folder is known for a product, before anything of it is read.

Below all rooms: what writes keeps out of products, and need not know them.
"""

from __future__ import annotations

from pathlib import Path


def is_product_folder(folder: Path) -> bool:
    """Whether a folder is a product by its name, or by the metadata or granules in it."""
    if folder.suffix.upper() == ".SAFE":
        return True
    try:
        return folder.is_dir() and (
            (folder / "manifest.safe").exists()
            or (folder / "measurements" / "reflectance").is_dir()  # a store of EOPF
            or any((folder / f"MTD_{name}.xml").exists() for name in ("MSIL1C", "MSIL2A", "TL"))
        )
    except OSError:
        return False
