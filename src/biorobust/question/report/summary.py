"""The study in at most fifteen numbers, and its headline effects."""

from __future__ import annotations

from biorobust.reporting.effects import effect, under

# Name -> run, and what is asked of each: a name, an attack, epsilon, and which images.
ROWS = {
    "plain": "mnist-plain",
    "hebbian": "mnist-hebbian-units",
    "feedback": "mnist-feedback",
    "kwta": "mnist-kwta-low",
    "v1": "mnist-v1",
    "adversarial": "mnist-adversarial",
}
COLUMNS = (("clean", None, 0.0, "clean"), ("worst", "worst-case", 0.1, "clean"))
EFFECTS = (
    effect(
        "adversarial training above the plain network, worst case at eps 0.1, MNIST",
        (under("worst-case", "mnist-adversarial", 0.1), under("worst-case", "mnist-plain", 0.1)),
    ),
    effect(
        "k-WTA above the plain network, PGD with the report's step at eps 0.1, MNIST",
        (under("pgd-report", "mnist-kwta-low", 0.1), under("pgd-report", "mnist-plain", 0.1)),
    ),
    effect(
        "k-WTA above the plain network, worst case at eps 0.1, MNIST",
        (under("worst-case", "mnist-kwta-low", 0.1), under("worst-case", "mnist-plain", 0.1)),
    ),
)
