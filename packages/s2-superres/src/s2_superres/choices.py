"""The words that options and functions choose from, each set in one place."""

from __future__ import annotations

LEVELS = ("L1C", "L2A")
#: ``auto`` takes bfloat16 where the device is faster with it.
PRECISIONS = ("auto", "float32", "bfloat16")
TRAINING_PRECISIONS = ("float32", "bfloat16")
OPTIMIZERS = ("muon", "adamw", "nadam")
SCHEDULES = ("cosine", "plateau")
#: What networks can be compared against, beside other networks.
RIVALS = ("bicubic", "unprojected")
