"""claims.yaml, read and checked strictly: what is claimed, by whom, and the rule that will decide it.

The file is fixed before any recorded run, so a slip in it must stop everything at once: unknown keys, a rule without
its thresholds, a published curve without the asked epsilon, and names that nothing defines are all errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_yaml
from biorobust.reporting.claim import (
    CONTRASTS,
    IMAGES,
    QUANTITIES,
    RULES,
    SOURCES,
    Check,
    Claim,
    Published,
    Quantity,
    Reading,
)
from biorobust.reporting.registry import STUDIES
from biorobust.reporting.requirements import AT_LEAST, REPORTED
from biorobust.reporting.series import EACH, Items, written_out
from biorobust.statistics import rules
from biorobust.statistics.thresholds import THRESHOLDS

EVERY = "every part"
CLAIMS_FILE = Path("reports/claims.yaml")


class ClaimsError(BiorobustError):
    """claims.yaml holds something that cannot be judged."""


def load(path: str | Path = CLAIMS_FILE) -> list[Claim]:
    """Read and check a claims file. Raises ClaimsError with one line naming the claim, the key and what is allowed."""
    raw = read_yaml(path, error=ClaimsError)
    try:
        return _claims(raw)
    except ClaimsError as error:
        raise ClaimsError(f"{path}: {error}") from None


def _claims(raw: object) -> list[Claim]:
    blocks = {"recipes": dict, "readings": dict, "published": dict, "claims": list}
    top = _block(raw, "top", needed=blocks, optional={"series": dict})
    published = {name: _published(entry, f"published.{name}") for name, entry in top["published"].items()}
    recipes = {name: _recipe(entry, f"recipes.{name}") for name, entry in top["recipes"].items()}
    readings = {}
    for name, entry in top["readings"].items():
        words = _block(entry, f"readings.{name}")
        others = dict.fromkeys(set(words) - {"words"}, str)
        fields = _block(words, f"readings.{name}", needed={"words": str}, optional=others)
        readings[name] = Reading(name=name, words=fields.pop("words"), names=fields)
    series = {name: _series(items, f"series.{name}") for name, items in top.get("series", {}).items()}
    claims = [_claim(entry, i, readings, recipes, published, series) for i, entry in enumerate(top["claims"])]
    for i, claim in enumerate(claims):
        if claim.id in {other.id for other in claims[:i]}:
            raise ClaimsError(f"{claim.id}: stands there twice")
        for reading in claim.readings or (None,):
            try:
                filled = claim.under(reading)
            except (KeyError, IndexError, ValueError) as error:
                missing = f" of {reading.name}" if reading else ", and there are no readings"
                raise ClaimsError(
                    f"{claim.id}: {error} cannot be filled in: it is not among the names{missing}"
                ) from None
            for quantity in (q for check in filled for q in (check.quantity, check.against) if q):
                _known(quantity.images, IMAGES, f"{claim.id}: images")
    return claims


def _claim(
    raw: object,
    position: int,
    readings: Mapping[str, Reading],
    recipes: Mapping[str, Mapping[str, Any]],
    published: Mapping[str, Published],
    series: Mapping[str, Items],
) -> Claim:
    where = str(raw.get("id", f"claim {position + 1}")) if isinstance(raw, Mapping) else f"claim {position + 1}"
    needed = {"id": str, "study": str, "source": list, "where": str, "statement": str, "requires": dict, "parts": list}
    fields = _block(raw, where, needed=needed, optional={"note": str, "readings": list, "holds": str})
    _known(fields.get("holds", EVERY), (EVERY,), f"{where}.holds")
    _known(fields["study"], STUDIES, f"{where}.study")
    for source in fields["source"]:
        _known(source, SOURCES, f"{where}.source")
    for name in fields.get("readings", ()):
        _known(name, readings, f"{where}.readings")
    requires = _requires(fields["requires"], f"{where}.requires", recipes)
    checks: list[Check] = []
    for i, entry in enumerate(fields["parts"]):
        at = f"{where}, part {i + 1}"
        for name in _block(entry, at).get(EACH, ()):
            _known(name, series, f"{at}.{EACH}")
        for part in written_out(entry, series):
            checks += _checks(part, at, requires, recipes, published)
    if not any(check.counts for check in checks):
        raise ClaimsError(f"{where}.parts: need at least one part that counts")
    return Claim(
        id=fields["id"],
        study=fields["study"],
        source=tuple(fields["source"]),
        where=fields["where"],
        statement=" ".join(fields["statement"].split()),
        note=" ".join(fields.get("note", "").split()),
        readings=tuple(readings[name] for name in fields.get("readings", ())),
        every="holds" in fields,
        checks=tuple(checks),
    )


def _checks(
    raw: object,
    where: str,
    requires: Mapping[str, Mapping[str, Any]],
    recipes: Mapping[str, Mapping[str, Any]],
    published: Mapping[str, Published],
) -> list[Check]:
    """One check per epsilon of the part's `at`, or a single one."""
    number = (int, float)
    fields = _block(
        raw,
        where,
        needed={"label": str, "rule": str, "quantity": dict},
        optional={
            "at": list,
            "against": dict,
            "reported": (*number, str),
            "reported_against": str,
            "at_least": number,
            "at_most": number,
            "smallest": number,
            "errors": bool,
            "requires": dict,
            "counts": bool,
            "any_of": str,
            "missing": str,
        },
    )
    rule = _known(fields["rule"], RULES, f"{where}.rule")
    quantity = _quantity(fields["quantity"], f"{where}.quantity", published)
    against = _quantity(fields["against"], f"{where}.against", published) if "against" in fields else None
    _fitting(rule, quantity, against, fields, where)
    own_requires = _requires(fields.get("requires", {}), f"{where}.requires", recipes)
    checks = []
    for eps in fields.get("at", [None]):
        if eps is not None and (isinstance(eps, bool) or not isinstance(eps, number) or not 0 <= eps <= 1):
            raise ClaimsError(f"{where}.at: {eps!r} is no epsilon in [0, 1]")
        reported, n = _reported(fields.get("reported"), eps, f"{where}.reported", published)
        reported_against, _ = _reported(fields.get("reported_against"), eps, f"{where}.reported_against", published)
        checks.append(
            Check(
                label=fields["label"].replace("{eps}", "" if eps is None else f"{eps:g}"),
                rule=rule,
                quantity=quantity,
                against=against,
                eps=eps,
                reported=reported,
                reported_against=reported_against,
                reported_n=n,
                at_least=fields.get("at_least"),
                at_most=fields.get("at_most"),
                smallest=fields.get("smallest"),
                errors=fields.get("errors", False) or _printed_high(rule, reported, reported_against),
                requires=tuple((requires | own_requires).items()),  # type: ignore[operator]
                counts=fields.get("counts", True),
                any_of=fields.get("any_of"),
                missing=fields.get("missing"),
            )
        )
    return checks


def _printed_high(rule: str, *printed: float | None) -> bool:
    """Whether a report prints both accuracies so high that their errors are to be compared."""
    return rule == "no difference" and rules.high_accuracies(*printed)


def _fitting(rule: str, quantity: Quantity, against: Quantity | None, fields: Mapping[str, Any], where: str) -> None:
    """Raise unless a part has exactly the keys its rule can use."""
    both = [q for q in (quantity, against) if q is not None]
    accuracies = all(q.kind == "accuracy" for q in both)
    attacked = any(q.attack and q.kind in ("accuracy", "reached") for q in both)
    pair = ("reported", "reported_against")
    ends = {"at_least", "at_most"} & set(fields)
    problems = {
        "a number needs a reported value": rule == "number" and "reported" not in fields,
        "a number has nothing to stand against": rule == "number" and against is not None,
        "an order of other values than accuracies needs `smallest`, the smallest difference that counts": rule
        == "order"
        and not accuracies
        and "smallest" not in fields,
        "`smallest` is for an order of other values than accuracies": "smallest" in fields
        and (rule != "order" or accuracies),
        "an order of accuracies needs `against`": rule == "order" and accuracies and against is None,
        f"{rule} needs two quantities of one kind": rule in CONTRASTS
        and against is not None
        and quantity.kind != against.kind,
        "no difference needs the accuracy of two runs": rule == "no difference" and (against is None or not accuracies),
        "`errors` is for no difference": "errors" in fields and rule != "no difference",
        f"{rule} needs both published curves or none": rule in CONTRASTS
        and ((pair[0] in fields) != (pair[1] in fields) or not isinstance(fields.get(pair[0], ""), str)),
        "reported_against is for order and no difference": rule not in CONTRASTS and pair[1] in fields,
        "a threshold needs at_least, at_most or both": rule == "threshold" and not ends,
        "at_least and at_most are for thresholds": rule != "threshold" and bool(ends),
        "the distance of a curve stands alone": against is not None and any(q.kind == "curve_distance" for q in both),
        "accuracy under attack needs `at`, a list of epsilons": attacked and not fields.get("at"),
        "`at` is for quantities of an attack": not any(q.attack for q in both) and "at" in fields,
    }
    for problem, found in problems.items():
        if found:
            raise ClaimsError(f"{where}: {problem}")


def _quantity(raw: Mapping[str, Any], where: str, published: Mapping[str, Published]) -> Quantity:
    kinds = [kind for kind in QUANTITIES if kind in raw]
    if len(kinds) != 1:
        raise ClaimsError(f"{where}: need exactly one of {', '.join(QUANTITIES)}")
    kind = kinds[0]
    optional = QUANTITIES[kind] if kind == "accuracy" else set()
    fields = _block(
        raw,
        where,
        needed=dict.fromkeys({kind, *QUANTITIES[kind]} - optional, str),
        optional=dict.fromkeys(optional, str),
    )
    if "of" in fields:
        return Quantity(kind=kind, of=fields["of"], key=fields[kind])
    curve = None
    if kind == "curve_distance":
        curve = published[_known(fields["published"], published, f"{where}.published")]
    if {"attack", "images"} <= fields.keys():
        raise ClaimsError(f"{where}: attacked images are clean ones; give attack or images")
    return Quantity(
        kind=kind, of=fields[kind], attack=fields.get("attack"), images=fields.get("images", "clean"), published=curve
    )


def _reported(
    value: float | str | None, eps: float | None, where: str, published: Mapping[str, Published]
) -> tuple[float | None, int | None]:
    """A reported proportion and of how many images it is; a name means a published curve at the check's epsilon."""
    if not isinstance(value, str):
        return value, None
    curve = published[_known(value, published, where)]
    found = curve.at(eps or 0.0)
    if found is None:
        raise ClaimsError(f"{where}: the published curve {value!r} has no value at eps {eps:g}")
    return found, curve.n


def _published(raw: object, where: str) -> Published:
    fields = _block(raw, where, needed={"n": int, "accuracy": dict})
    for eps, accuracy in fields["accuracy"].items():
        if not all(isinstance(x, (int, float)) and 0 <= x <= 1 for x in (eps, accuracy)):
            raise ClaimsError(f"{where}.accuracy: {eps}: {accuracy} must be two numbers in [0, 1]")
    return Published(n=fields["n"], accuracy=tuple((float(eps), float(a)) for eps, a in fields["accuracy"].items()))


def _requires(
    raw: Mapping[str, Any], where: str, recipes: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """File -> settings, of one recipe or of several together."""
    found: dict[str, Mapping[str, Any]] = {}
    for file, names in raw.items():
        known = [_known(name, recipes, f"{where}.{file}") for name in (names if isinstance(names, list) else [names])]
        found[file] = {key: value for name in known for key, value in recipes[name].items()}
    return found


def _recipe(raw: object, where: str) -> Mapping[str, Any]:
    """Settings by name: plain values, or {at_least: x} and what the report had, {reported: x}.

    `at_least` may be the name of a smallest number of images.
    """
    settings = _block(raw, where)
    for key, value in settings.items():
        if isinstance(value, Mapping):
            kinds = {AT_LEAST: (int, float, str), REPORTED: (int, float, str)}
            limits = _block(value, f"{where}.{key}", needed={}, optional=kinds)
            if isinstance(limits.get(AT_LEAST), str):
                settings[key] = limits | {AT_LEAST: _images(limits[AT_LEAST], f"{where}.{key}")}
    return settings


def _images(name: str, where: str) -> int:
    """A smallest number of images, which stands with the other thresholds under its name."""
    try:
        return THRESHOLDS.images(name)
    except BiorobustError as error:
        raise ClaimsError(f"{where}: {error}") from None


def _series(raw: object, where: str) -> Items:
    if not isinstance(raw, list) or not raw:
        raise ClaimsError(f"{where}: must be a list of items with names, not {raw!r}")
    return [_block(item, f"{where}, item {i + 1}") for i, item in enumerate(raw)]


def _known(value: object, options: Iterable[str], where: str) -> str:
    if value not in (allowed := list(options)):
        raise ClaimsError(f"{where}: {value!r} is not one of {', '.join(allowed)}")
    return str(value)


def _block(
    raw: object,
    where: str,
    *,
    needed: Mapping[str, Any] | None = None,
    optional: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`raw` as a mapping with the needed keys, no unknown ones and values of the given types (no `needed`: any)."""
    if not isinstance(raw, Mapping):
        raise ClaimsError(f"{where}: must be a block of keys, not {raw!r}")
    if needed is None:
        return dict(raw)
    kinds = {**needed, **(optional or {})}
    for key, value in raw.items():
        _known(key, kinds, f"{where}: key")
        if not isinstance(value, kinds[key]) or (isinstance(value, bool) and kinds[key] is not bool) or value == "":
            raise ClaimsError(f"{where}.{key}: {value!r} has the wrong type")
    for key in needed:
        if key not in raw:
            raise ClaimsError(f"{where}.{key}: missing key")
    return dict(raw)
