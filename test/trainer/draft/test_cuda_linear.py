"""On a CUDA device: working copies and the update of weights against their plain forms."""

import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.draft.linear import Linear, WorkingCopies
from draftsmith_trainer.train.optimizer import Optimizer
from draftsmith_trainer.train.options import TrainOptions

pytestmark = pytest.mark.cuda
DEVICE = torch.device("cuda")


def off(made, exact):
    """Relative error."""
    return ((made.double() - exact.double()).norm() / exact.double().norm()).item()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_err_no_more_than_under_autocast(bias, compiled):
    torch.manual_seed(0)
    layer = Linear(512, 384, bias=bias, device=DEVICE)
    x, grad = torch.randn(1, 3000, 512, device=DEVICE), torch.randn(1, 3000, 384, device=DEVICE)

    def run(module, half):
        module.zero_grad()
        own = x.clone().requires_grad_()
        with torch.autocast("cuda", torch.bfloat16, enabled=half):
            out = module(own)
        out.backward(grad.to(out.dtype))
        return [out.detach().float(), own.grad, *(p.grad.clone() for p in layer.parameters())]

    exact, plain = run(layer, False), run(layer, True)
    WorkingCopies(layer, torch.bfloat16)
    made = run(torch.compile(layer, dynamic=True) if compiled else layer, True)
    # The bias is added to a product that was rounded before.
    for number, (a, b, c) in enumerate(zip(exact, plain, made, strict=True)):
        assert off(c, a) <= (1.5 if bias and number == 0 else 1.1) * off(b, a) + 1e-6


def test_updates_equal_those_of_the_cpu():
    """Clipped, scaled by the weight, and skipped where a gradient is not finite."""
    made = {}
    for device in ("cpu", "cuda"):
        draft = lively_draft(small_config()).to(device)
        optimizer = Optimizer(draft, TrainOptions(clip=0.5, weight_decay=0.1))
        torch.manual_seed(1)
        kept = []
        for size in (1.0, 1e3, float("nan"), 1e-3):
            for parameter in draft.parameters():
                parameter.grad = (torch.randn(parameter.shape) * size).to(device)
            weight, total = torch.tensor(7.0, dtype=torch.float64, device=device), torch.ones((), device=device)
            norm, finite, bad = optimizer.step(1e-2, weight, 2, total)
            kept += [one.cpu().float() for one in (norm, finite, bad)]
        made[device] = [*kept, *(p.detach().cpu() for p in draft.parameters())]
    for a, b in zip(made["cpu"], made["cuda"], strict=True):
        torch.testing.assert_close(b, a, atol=1e-5, rtol=1e-4, equal_nan=True)
