"""The words that options and functions choose from, each set in one place."""

from __future__ import annotations

from enum import StrEnum


class Values(StrEnum):
    """What the numbers of an output are."""

    #: As in the product: reflectance = DN * scale + offset.
    DN = "dn"
    #: Digital numbers without the offset of baseline 04.00, as of the baselines before it.
    HARMONISED = "harmonised"
    REFLECTANCE = "reflectance"


LEVELS = ("L1C", "L2A")
#: Beside the families of networks: the weights that ship as the better ones; and none at all, which
#: is the local regression alone.
DEFAULT_NETWORK, NO_NETWORK = "default", "none"
#: ``auto`` takes bfloat16 where the device is faster with it.
PRECISIONS = ("auto", "float32", "bfloat16")
#: What ``auto`` becomes one of.
ARITHMETICS = ("float32", "bfloat16")
OPTIMIZERS = ("muon", "adamw", "nadam")
SCHEDULES = ("cosine", "plateau")
#: What networks can be compared against, beside other networks.
RIVALS = ("bicubic", "unprojected")
