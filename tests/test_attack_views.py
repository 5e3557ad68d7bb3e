"""Views that attacks of a defence take their gradient from: exact outputs, and the slopes they promise."""

import pytest
import torch
from torch import nn

from biorobust import attacks
from biorobust.cnnf.model import network as cnnf
from biorobust.core.modules import replaced
from biorobust.hebbian import HebbianClassifier
from biorobust.hebbian.model import classifier, controls
from biorobust.kwta.model import networks, surrogates
from biorobust.kwta.model.operator import KWTA, kwta, mask


def fast(gamma):
    torch.manual_seed(0)
    config = {"network": "fast", "n_classes": 10, "logits": 10, "width": 4, "image_size": 32}
    model = networks.build({**config, "normalise": False, "gamma": gamma, "stem": "kwta"})
    model.body.whiten(torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    return model.eval().requires_grad_(False)


def slope(model, x):
    at = x.clone().requires_grad_()
    return torch.autograd.grad(model(at).square().sum(), at)[0]


def test_views_of_kwta_keep_the_outputs_to_the_bit_and_change_the_slope():
    model, x = fast(0.1), torch.rand(3, 3, 32, 32)
    views = networks.attack_views(model)
    assert set(views) == {f"backward-{name}" for name in ("relu", "identity", "sigmoid", "0.3", "0.5")} | {
        "forward-relu",
        "forward-0.5",
    }
    own = slope(model, x)
    for name, view in views.items():
        if name.startswith("backward"):
            assert torch.equal(view(x), model(x)), name
            assert not torch.allclose(slope(view, x), own, rtol=0.1), name
        else:
            assert not torch.allclose(view(x), model(x), rtol=0.1), name
    assert torch.equal(views["forward-relu"](x), replaced(model, KWTA, lambda _: nn.ReLU())(x))
    twin = fast(0.5)
    twin.load_state_dict(model.state_dict())
    torch.testing.assert_close(views["forward-0.5"](x), twin(x))
    assert networks.attack_views(fast(None)) == {}


def test_surrogates_have_the_slopes_of_their_formulas():
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(0)).requires_grad_()
    at_threshold = x.detach().topk(5, dim=1).values[:, -1:]
    expected = {
        surrogates.positive: x > 0,
        surrogates.identity: torch.ones_like(x),
        surrogates.sigmoid: torch.sigmoid((x - at_threshold) / (0.3 * x.std(dim=1, keepdim=True))),
        surrogates.winning(0.3): mask(x, 0.3),
    }
    for surrogate, wanted in expected.items():
        y = surrogates.Surrogate(0.1, surrogate)(x)
        assert torch.equal(y, kwta(x, 0.1))
        (found,) = torch.autograd.grad(y.sum(), x)
        torch.testing.assert_close(found, wanted.detach().to(x.dtype))


@pytest.mark.parametrize(
    ("build", "cycles", "adaptive"), [(cnnf.TwoBlock, 2, True), (cnnf.CNNF, 0, True), (cnnf.CNNF, 2, False)]
)
def test_soft_gates_keep_the_outputs_and_add_the_path_through_signs(build, cycles, adaptive):
    torch.manual_seed(0)
    model = build(10, cycles=cycles, residual=0.3, adaptive=adaptive).double().eval().requires_grad_(False)
    x = torch.rand(3, 1, 28, 28, dtype=torch.float64)
    view = cnnf.attack_views(model)["smooth"]
    torch.testing.assert_close(view(x), model(x), rtol=0, atol=1e-10)
    own, soft = slope(model, x), slope(view, x)
    alike = torch.cosine_similarity(own.flatten(1), soft.flatten(1))
    assert soft.isfinite().all()
    assert (alike > 0.3).all()  # much the same way
    assert (alike < 0.9999).all()  # and not the same


def test_float64_finds_slopes_where_float32_has_none():
    weights = torch.rand(6, 16, generator=torch.Generator().manual_seed(0)) * 1e-12
    model = HebbianClassifier(weights, 3, n=4.5, beta=1.0).eval().requires_grad_(False)
    x = torch.rand(5, 1, 4, 4)
    labels = torch.zeros(5, dtype=torch.int64)
    view = classifier.attack_views(model)["float64"]
    assert view(x).dtype == torch.float64
    assert not slope(model, x).any()
    names = ["apgd-margin", "apgd-margin@float64", "fgsm-margin@float64"]
    table = attacks.run(model, x, labels, names, eps=[0.1], seed=0, views={"float64": view})
    flat = table.groupby("attack")["zero_gradient"].all()
    assert flat["apgd-margin"]
    assert not flat["apgd-margin@float64"]
    control = controls.EndToEnd(16, 5, 3).eval().requires_grad_(False)
    torch.testing.assert_close(controls.attack_views(control)["float64"](x).float(), control(x))
