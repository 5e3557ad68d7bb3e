"""The names of attacks, for the report modules that do not import `labels` yet."""

from biorobust.reporting.labels import (
    ATTACKS,
    FEEDBACK_ATTACKS,
    FGSM,
    IMAGE_WORST_CASE,
    REPORT_LOSS,
    RESIZED,
    TARGETED,
    WORST_CASE,
    AttackLook,
    full_name,
)

__all__ = [
    "ATTACKS",
    "FEEDBACK_ATTACKS",
    "FGSM",
    "IMAGE_WORST_CASE",
    "REPORT_LOSS",
    "RESIZED",
    "TARGETED",
    "WORST_CASE",
    "AttackLook",
    "full_name",
]
