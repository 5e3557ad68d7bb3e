"""What a key of reports/claims/<study>.yaml may be, checked strictly: claims, their parts, and what is measured.

docs/add-a-claim.md describes the files. `claim_file` reads them and fills in names and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from biorobust.core.strict import Strict, Text
from biorobust.reporting.claim import CONTRASTS, QUANTITIES


def listed(value: Any) -> Any:
    """A single entry may stand without the brackets of a list."""
    return value if isinstance(value, list) else [value]


def flat(value: Any) -> Any:
    """A list may hold lists, for which anchors stand."""
    return [item for entry in value for item in listed(entry)] if isinstance(value, list) else value


Number = Annotated[float, Field(allow_inf_nan=False)]
# Rule -> the keys that not every rule has.
RULES: Mapping[str, set[str]] = {
    "number": set(),
    "order": {"against", "reported_against", "smallest"},
    "no difference": {"against", "reported_against", "errors"},
    "threshold": {"against", "at_least", "at_most"},
}
Recipes = Annotated[list[Any], BeforeValidator(listed)]  # names of recipes, or settings


class QuantityEntry(Strict):
    """What is measured: `{kind: name}`, one of QUANTITIES, and the keys it has besides."""

    kind: str
    name: Text
    of: Text | None = None
    attack: Text | None = None
    images: Literal["clean", "noisy", "blurred"] = "clean"
    published: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_one_kind(cls, raw: Any) -> dict[str, Any]:
        kinds = [kind for kind in QUANTITIES if isinstance(raw, Mapping) and kind in raw]
        if len(kinds) != 1:
            raise ValueError(f"need exactly one of {', '.join(QUANTITIES)}")
        (kind,) = kinds
        for key in sorted(raw.keys() - {kind} - QUANTITIES[kind]):
            raise ValueError(f"unknown key {key!r} of {kind}")
        for key in sorted(QUANTITIES[kind] - raw.keys() if kind != "accuracy" else ()):
            raise ValueError(f"{key} is missing, which {kind} needs")
        if {"attack", "images"} <= raw.keys():
            raise ValueError("attacked images are clean ones; give attack or images")
        return {"kind": kind, "name": raw[kind]} | {key: value for key, value in raw.items() if key != kind}


class PartEntry(Strict):
    """One row of a claim, with every name filled in; docs/add-a-claim.md says what each key is for."""

    label: Text
    rule: Literal["number", "order", "no difference", "threshold"]
    quantity: QuantityEntry
    against: QuantityEntry | None = None
    at: Sequence[Annotated[float, Field(ge=0, le=1)]] = ()
    reported: Text | None = None
    reported_against: Text | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    smallest: Number | None = None
    errors: bool = False
    requires: Sequence[Text] = ()
    recipes: Mapping[Text, Recipes] = Field(default_factory=dict)
    counts: bool = True
    any_of: Text | None = None
    missing: Text | None = None

    @model_validator(mode="after")
    def _fits_its_rule(self) -> PartEntry:
        for key in sorted(self.model_fields_set & set().union(*RULES.values()) - RULES[self.rule]):
            raise ValueError(f"{key} is not for the rule {self.rule}")
        order, alike, contrast = self.rule == "order", self.rule == "no difference", self.rule in CONTRASTS
        both = [q for q in (self.quantity, self.against) if q is not None]
        kinds, attacked = {q.kind for q in both}, [q for q in both if q.attack]
        alone, accuracies = self.against is None, kinds == {"accuracy"}
        for found, problem in (
            (self.rule == "number" and self.reported is None, "a number needs a reported value"),
            (order and accuracies and alone, "an order of accuracies needs `against`"),
            (
                order and accuracies == (self.smallest is not None),
                "an order of other values than accuracies, and no other, needs `smallest`, which difference counts",
            ),
            (not alone and "curve_distance" in kinds, "the distance of a curve stands alone"),
            (
                len(kinds) == 2 and (contrast or kinds != {"accuracy", "zero_gradient_correct"}),
                f"{self.rule} needs two quantities of one kind",
            ),
            (alike and (alone or not accuracies), "no difference needs the accuracy of two runs"),
            (
                contrast and (self.reported is None) != (self.reported_against is None),
                f"{self.rule} needs both reported values or none",
            ),
            (
                self.rule == "threshold" and self.at_least is None and self.at_most is None,
                "a threshold needs at_least, at_most or both",
            ),
            (
                not self.at and any(q.kind in ("accuracy", "reached") for q in attacked),
                "accuracy under attack needs `at`, a list of epsilons",
            ),
            (self.at and not attacked, "`at` is for quantities of an attack"),
        ):
            if found:
                raise ValueError(problem)
        return self


class ClaimEntry(Strict):
    """A claim as it stands in its file, its loops written out but for those of its parts."""

    id: Text
    source: Annotated[Sequence[Literal["report text", "notebook", "original paper", "ours"]], Field(min_length=1)]
    where: Text
    statement: Text
    note: Text | None = None
    interpretations: Sequence[Text] = ()
    holds: Literal["every part"] | None = None
    requires: Annotated[Sequence[Text], BeforeValidator(flat)] = ()
    parts: Annotated[Sequence[Mapping[str, Any]], BeforeValidator(flat), Field(min_length=1)]


class ClaimsFile(Strict):
    """A claims file: recipes, what each metrics file must have been made with, lists for `each`, and the claims."""

    recipes: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    files: Sequence[Mapping[str, Any]] = ()
    lists: Mapping[str, Annotated[Sequence[Mapping[str, Any]], Field(min_length=1)]] = Field(default_factory=dict)
    interpretations: Mapping[str, Mapping[str, Text]] = Field(default_factory=dict)
    claims: Annotated[Sequence[Mapping[str, Any]], Field(min_length=1)]
