"""What a study attacks with: the block of params.yaml that every study's attack stage reads.

A study whose networks offer views has a block of its own that inherits from this one and names them in VIEWS.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, field_validator

from biorobust.attack_names import NAMES
from biorobust.core.config import Block, Several, Share, Unlike


def _rising(values: tuple[float, ...], start: tuple[float, ...] = ()) -> tuple[float, ...]:
    if list(values) != sorted({*start, *values}) or (not start and values[0] <= 0):
        raise ValueError
    return values


def rising(values: tuple[float, ...]) -> tuple[float, ...]:
    """Raises ValueError unless the values rise from 0."""
    return _rising(values, (0.0,))


# L-infinity sizes in units of pixel intensity; a grid also of levels of something else of that range.
Sizes = Annotated[
    Several[Share], AfterValidator(_rising), Field(description="a rising list of numbers in (0, 1] without repeats")
]
Grid = Annotated[
    Several[Share], AfterValidator(rising), Field(description="a rising list of numbers in [0, 1] that starts with 0")
]


def _known(said: str) -> AfterValidator:
    """A check that every name, without the view that may follow an @, is in the registry of attacks."""

    def check(value: Any) -> Any:
        if any(name.partition("@")[0] not in NAMES for name in ([value] if isinstance(value, str) else value)):
            raise ValueError(f"{said} {', '.join(NAMES)}")
        return value

    return AfterValidator(check)


# Attacks of the registry; each may end in @ and a view of the networks that are attacked.
Attacks = Annotated[Unlike[str], _known("a list without repeats, of")]
OneAttack = Annotated[str, _known("one of")]


class AttackPlan(Block):
    """Names in the registry of attacks, and the grid of L-infinity sizes in units of pixel intensity."""

    VIEWS: ClassVar[tuple[str, ...]] = ("model",)  # a name may end in @ and one of them: the model itself, its views

    attacks: Unlike[str]
    eps: Grid

    @field_validator("attacks")
    @classmethod
    def _of_views(cls, attacks: tuple[str, ...]) -> tuple[str, ...]:
        ends = [f"@{view}" for view in cls.VIEWS]
        if set(attacks) <= {f"{name}{end}" for name in NAMES for end in ("", *ends)}:
            return attacks
        raise ValueError(f"a list without repeats, of {', '.join(NAMES)}; each may end in {', '.join(ends)}")


class AttackSize(Block):
    n_images: int = Field(ge=8)


class Adaptive(Block):
    """Which networks of a study every attack of `question_attack` is tried on that needs no other network.

    twins: a network -> the same without the defence; both are attacked. report: the attack by which the report, or the
    original, called it robust. eps: L-infinity, in units of pixel intensity. curve: other sizes, for APGD alone. alone:
    attacks that are made on all images, not on what others have left, so that each can be judged by itself.
    """

    dataset: str
    report: OneAttack
    eps: float = Field(gt=0, le=1)
    curve: Sizes
    alone: Attacks = ()
    twins: dict[str, str] = Field(min_length=1)

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.twins, *self.twins.values())))


class AdaptiveSize(Block):
    """On how many of the fixed evaluation images; 0: a scale does without."""

    n_images: int = Field(ge=0)


ADAPTIVE = "-adaptive"


def adaptive_name(network: str) -> str:
    """The run under which a network's metrics and records of these attacks stand."""
    return f"{network}{ADAPTIVE}"
