"""Peak resident memory at the report's size, each computation in a process of its own, against a budget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import synthetic
from benchmarks.timing import Measurement, Skipped, fresh, single

BUDGET_MB = 1500
READOUT = "memory, choice of beta and one epoch of the readout, against 1.5 GB"
RULE = "memory, one epoch of the rule at batch 3584, against 1.5 GB"
LIMITS = {READOUT: 1.0, RULE: 1.0}
STATUS = Path("/proc/self/status")


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB of 10^6 bytes."""
    # Not getrusage: Linux carries that peak over from the parent when a process is started.
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise Skipped(f"{STATUS} does not tell the peak memory (VmHWM): run it on Linux")


def train_readout(
    *, n_train: int = synthetic.N_TRAIN, n_test: int = synthetic.N_TEST, n_hidden: int = synthetic.N_HIDDEN
) -> None:
    """What the stage train_supervised holds in memory: a choice of beta, then training on stored activities."""
    import torch

    from biorobust.core.tensors import Tensors
    from biorobust.hebbian.model import readout
    from biorobust.hebbian.model.params import Readout

    recipe = Readout(
        inputs="unit", power=4.5, beta=(0.1, 1.0), m=6, learning_rate=1e-3, schedule="linear", batch_size=1024
    )
    data = Tensors(
        train_images=synthetic.images(n_train, seed=0).reshape(-1, 1, 28, 28),
        train_labels=synthetic.labels(n_train, seed=0),
        held_out=torch.arange(n_train) % 6 == 0,
        test_images=synthetic.images(n_test, seed=2).reshape(-1, 1, 28, 28),
        test_labels=synthetic.labels(n_test, seed=2),
        n_classes=synthetic.N_CLASSES,
    )
    weights = synthetic.units(n_hidden, seed=1)
    choice = readout.choose_beta(weights, data, readout=recipe, batch_size=recipe.batch_size, epochs=1, seed=0)
    model = readout.new_classifier(weights, data.n_classes, readout=recipe, beta=choice.beta, seed=0)
    seen = readout.activities(model, data.test_images), data.test_labels
    readout.train(
        model,
        readout.activities(model, data.train_images),
        data.train_labels,
        readout=recipe,
        batch_size=recipe.batch_size,
        epochs=1,
        seed=0,
        test=seen,
    )


def learn_units(
    *, n_train: int = synthetic.N_TRAIN, n_hidden: int = synthetic.N_HIDDEN, batch_size: int = 3584
) -> None:
    """What the stage hebbian_pretrain holds in memory: the images as bytes, W, and one minibatch at work."""
    import torch

    from biorobust.hebbian import learn

    learn(
        synthetic.images(n_train, seed=0),
        n_hidden=n_hidden,
        n_epochs=1,
        batch_size=batch_size,
        learning_rate=0.02,
        p=2,
        k=2,
        delta=0.4,
        init="uniform",
        generator=torch.Generator().manual_seed(0),
    )


COMPUTATIONS: dict[str, Callable[[], None]] = {READOUT: train_readout, RULE: learn_units}


def peak_of(computation: Callable[[], None]) -> float:
    computation()
    return peak_mb()


def measure() -> list[Measurement]:
    if not STATUS.exists():
        raise Skipped(f"{STATUS} is missing: peak memory is read from it, on Linux")
    return [
        single(what, unit="MB", ours=fresh(peak_of, computation), reference=BUDGET_MB)
        for what, computation in COMPUTATIONS.items()
    ]
