"""The functions of 0.3 under the name that code of that time imports; see `legacy`."""

from .legacy.quality_metrics import *  # noqa: F403
from .legacy.quality_metrics import __all__ as __all__
