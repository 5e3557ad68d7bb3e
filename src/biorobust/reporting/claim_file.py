"""reports/claims/<study>.yaml, read and checked strictly: what is claimed, by whom, and the rule that will decide it.

docs/add-a-claim.md describes the files. They are fixed before any recorded run, so a slip in them must stop everything
at once: unknown keys and names, a rule without its thresholds, a placeholder that nothing fills in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from biorobust.core.files import read_yaml
from biorobust.core.strict import checked
from biorobust.reporting import printed
from biorobust.reporting.claim import Check, Claim, ClaimsError, Published, Quantity, Reading
from biorobust.reporting.claim_schema import ClaimEntry, ClaimsFile, PartEntry, QuantityEntry, listed
from biorobust.reporting.expand import EACH, Names, combinations, filled, unfilled
from biorobust.reporting.labels import WORST_CASE
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.requirements import AT_LEAST, REPORTED, files, files_of
from biorobust.statistics import rules

CLAIMS = Path("reports/claims")
Recipe = Mapping[str, Any]  # setting -> value, {at_least: x} or {reported: x}


def load(folder: str | Path = CLAIMS) -> list[Claim]:
    """The claims of a folder, in the order of the registry of studies, with the numbers of `reported` beside it.

    Raises ClaimsError with one line naming file, claim, part and key, and what is allowed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ClaimsError(f"{folder} is missing: run from the top of the repository")
    study = "study of reporting/registry.py"
    paths = {_known(path.stem, STUDIES, f"{path}: {study}"): path for path in sorted(folder.glob("*.y*ml"))}
    found: dict[str, Claim] = {}
    for path in (paths[study] for study in STUDIES if study in paths):
        raw = read_yaml(path, error=ClaimsError)
        numbers = printed.read(folder.parent / "reported" / f"{path.stem}.csv")
        try:
            for claim in _claims(path.stem, raw, numbers):
                if claim.id in found:
                    raise ClaimsError(f"{claim.id}: stands there twice")
                found[claim.id] = claim
        except ClaimsError as error:
            raise ClaimsError(f"{path}: {error}") from None
    return list(found.values())


def of_checkout(root: Path, *, complete: bool = False) -> list[Claim]:
    """The claims of a checkout, whose studies must have every attack that they speak of.

    complete: params.yaml must also list every run; otherwise claims about one that was taken out of it are not run.
    """
    claims, values = load(root / CLAIMS), read_params(root / "params.yaml")
    for name, made in STUDIES.items():
        path, study = root / CLAIMS / f"{name}.yaml", made(values)
        if not path.exists():
            raise ClaimsError(f"{path} is missing: no claim of {name} could be judged")
        measured, attacks = study.results(), sorted({*study.attacks, WORST_CASE})
        for claim in (claim for claim in claims if claim.study == name):
            for check in (check for check in claim.every_check if not check.missing):
                where = f"{path}: {claim.id}, {check.label}"
                for file in files(check) if complete else ():
                    if file not in measured:
                        raise ClaimsError(f"{where}: params.yaml has no run behind {file}")
                for quantity in check.quantities:
                    if quantity.attack:
                        _known(quantity.attack, attacks, f"{where}: attack")
    return claims


def _claims(study: str, raw: object, numbers: printed.Printed) -> list[Claim]:
    """The claims of one file; `numbers`: what the study's report prints."""
    top = checked(ClaimsFile, raw, "top", error=ClaimsError)
    recipes = {name: _recipe(entry, f"recipes.{name}") for name, entry in top.recipes.items()}
    reader = _Reader(study, top, recipes, _made_with(top, recipes), numbers)
    found = []
    for i, block in enumerate(top.claims, start=1):
        for entry in _written_out(block, top.lists, str(block.get("id", f"claim {i}"))):
            where = str(entry.get("id", f"claim {i}"))
            found.append(reader.claim(checked(ClaimEntry, entry, where, error=ClaimsError)))
    return found


def _made_with(top: ClaimsFile, recipes: Mapping[str, Recipe]) -> Mapping[str, Recipe]:
    """Metrics file -> the settings that it must have, from the blocks of `files`."""
    found: dict[str, Recipe] = {}
    for i, block in enumerate(top.files, start=1):
        where = f"files, block {i}"
        for files_ in _written_out(block, top.lists, where):
            _complete(files_, where)
            for file, wanted in files_.items():
                if file in found:
                    raise ClaimsError(f"{where}: {file} stands there twice")
                found[file] = _together(listed(wanted), recipes, f"files.{file}")
    return found


@dataclass(frozen=True)
class _Reader:
    """What the claims of one file refer to. `made_with`: metrics file -> settings."""

    study: str
    top: ClaimsFile
    recipes: Mapping[str, Recipe]
    made_with: Mapping[str, Recipe]
    reported: printed.Printed

    def claim(self, entry: ClaimEntry) -> Claim:
        _complete([entry.statement, entry.note, entry.where], entry.id)
        known = self.top.interpretations
        readings = {name: known[_known(name, known, f"{entry.id}.interpretations")] for name in entry.interpretations}
        for name, names in readings.items():
            if "words" not in names:
                raise ClaimsError(f"interpretations.{name}.words: missing key")
        under = [self._under(entry, names) for names in list(readings.values()) or [{}]]
        if not any(check.counts for check in under[0]):
            raise ClaimsError(f"{entry.id}.parts: need at least one part that counts")
        return Claim(
            id=entry.id,
            study=self.study,
            source=tuple(entry.source),
            where=entry.where,
            statement=" ".join(entry.statement.split()),
            note=" ".join((entry.note or "").split()),
            readings=tuple(Reading(name, names["words"]) for name, names in readings.items()),
            every=entry.holds is not None,
            checks=under[0],
            others=tuple(under[1:]),
        )

    def _under(self, entry: ClaimEntry, names: Names) -> tuple[Check, ...]:
        """The checks of a claim under the reading that gives these names."""
        checks: list[Check] = []
        for i, part in enumerate(entry.parts, start=1):
            where = f"{entry.id}, part {i}"
            requires = [*entry.requires, *listed(part.get("requires", []))]
            for one in _written_out({**part, "requires": requires}, self.top.lists, where):
                checks += self._checks(_unattacked(filled(one, names)), where)
        return tuple(checks)

    def _checks(self, raw: Mapping[str, Any], where: str) -> list[Check]:
        """One check per epsilon of the part's `at`, or a single one."""
        part = checked(PartEntry, raw, where, error=ClaimsError)
        _complete({key: value for key, value in raw.items() if key != "label" or not part.at}, where)
        quantity = self._quantity(part.quantity, f"{where}.quantity")
        against = self._quantity(part.against, f"{where}.against") if part.against else None
        requires = self._requires(part, [quantity, *filter(None, [against])], where)
        same = ("rule", "at_least", "at_most", "smallest", "counts", "any_of", "missing")
        found = []
        for eps in part.at or (None,):
            label = part.label if eps is None else part.label.replace("{eps}", f"{eps:g}")
            _complete(label, f"{where}.label")
            reported = self._reported(part.reported, eps, quantity, f"{where}.reported")
            compared = self._reported(part.reported_against, eps, quantity, f"{where}.reported_against")
            values = [number.value if number else None for number in (reported, compared)]
            high = part.rule == "no difference" and rules.high_accuracies(*values)
            found.append(
                Check(
                    label=label,
                    quantity=quantity,
                    against=against,
                    eps=eps,
                    reported=values[0],
                    reported_against=values[1],
                    reported_n=reported.n if reported else None,
                    errors=part.errors or high,
                    requires=requires,
                    **{key: getattr(part, key) for key in same},
                )
            )
        return found

    def _quantity(self, entry: QuantityEntry, where: str) -> Quantity:
        if entry.of:
            return Quantity(entry.kind, of=entry.of, key=entry.name)
        curve = None
        if entry.published:
            rows = self.reported[_known(entry.published, self.reported, f"{where}.published")]
            n = max(row.n or 0 for row in rows.values())
            curve = Published(n, tuple((eps, row.value) for eps, row in rows.items()))
        return Quantity(entry.kind, of=entry.name, attack=entry.attack, images=entry.images, published=curve)

    def _requires(self, part: PartEntry, quantities: Sequence[Quantity], where: str) -> tuple[tuple[str, Recipe], ...]:
        """Metrics file -> settings: of the files named, and of those behind the quantities."""
        derived = [] if part.missing else [file for quantity in quantities for file in files_of(quantity)]
        required = dict.fromkeys([*part.requires, *derived])
        for file in part.recipes:
            _known(file, required, f"{where}.recipes")
        return tuple(
            (file, _together(part.recipes[file], self.recipes, f"{where}.recipes.{file}"))
            if file in part.recipes
            else (file, self.made_with[_known(file, self.made_with, f"{where}: metrics file, a key of `files`")])
            for file in required
        )

    def _reported(self, name: str | None, eps: float | None, quantity: Quantity, where: str) -> printed.Number | None:
        """What the report prints under a name at the check's epsilon."""
        if name is None:
            return None
        rows = self.reported[_known(name, self.reported, f"{where}: id in reported/{self.study}.csv")]
        number = rows.get(eps or 0.0)
        if number is None:
            raise ClaimsError(f"{where}: reported/{self.study}.csv has no {name} at eps {eps or 0.0:g}")
        if quantity.unit is None and not 0 <= number.value <= 1:
            raise ClaimsError(
                f"{where}: {name} is {number.value:g} in reported/{self.study}.csv, no proportion in [0, 1]"
            )
        return number


def _complete(value: object, where: str) -> None:
    """Raises ClaimsError where a name in braces is left."""
    for name in unfilled(value):
        raise ClaimsError(f"{where}: nothing fills in {{{name}}}")


def _written_out(
    block: Mapping[str, Any], lists: Mapping[str, Sequence[Names]], where: str
) -> Iterator[dict[str, Any]]:
    """A block once for every combination of items of the lists that its `each` names."""
    own = {key: value for key, value in block.items() if key != EACH}
    each = [lists[_known(name, lists, f"{where}.{EACH}")] for name in listed(block.get(EACH, []))]
    return (filled(own, names) for names in combinations(each))


def _unattacked(raw: dict[str, Any]) -> dict[str, Any]:
    """A part whose loop gives `attack: null` is one on clean images: no attack, and no epsilon."""
    clean = {
        key: {k: v for k, v in raw[key].items() if k != "attack"}
        for key in ("quantity", "against")
        if isinstance(raw.get(key), Mapping) and raw[key].get("attack", "") is None
    }
    return {key: value for key, value in (raw | clean).items() if key != "at" or not clean}


def _together(wanted: Any, recipes: Mapping[str, Recipe], where: str) -> Recipe:
    """The settings of several recipes, each a name or a block of settings; where two have the same, the last counts."""
    found = [
        _recipe(recipe, where) if isinstance(recipe, Mapping) else recipes[_known(recipe, recipes, where)]
        for recipe in wanted
    ]
    return {key: value for settings in found for key, value in settings.items()}


def _recipe(settings: Mapping[str, Any], where: str) -> Recipe:
    """Settings by name: plain values, or {at_least: x} and what the report had, {reported: x}."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            for limit in value:
                _known(limit, (AT_LEAST, REPORTED), f"{where}.{key}: key")
            least = value.get(AT_LEAST, 0)
            if isinstance(least, bool) or not isinstance(least, (int, float)):
                raise ClaimsError(f"{where}.{key}.{AT_LEAST}: must be a number, not {least!r}")
    return settings


def _known(value: Any, options: Iterable[Any], where: str) -> str:
    """`value` as one of `options`; of many, the error names those most like it."""
    allowed = [str(option) for option in options]
    if str(value) not in allowed:
        near = allowed if len(allowed) <= 12 else get_close_matches(str(value), allowed, n=3, cutoff=0.5)
        raise ClaimsError(f"{where}: {value!r} is not one of {', '.join(near) or f'the {len(allowed)} there are'}")
    return str(value)
