"""Muon: gradient steps whose matrices are orthogonalised."""

from collections.abc import Iterable

import torch


class Muon(torch.optim.Optimizer):
    """
    Momentum, orthogonalised by five Newton-Schulz iterations (Jordan et al. 2024), with steps as long as AdamW's
    typical ones (Liu et al. 2025). Unlike `torch.optim.Muon` it takes convolutions too, as matrices of (out, in x
    height x width), and treats all matrices of one shape at once, which small models need to be fast.

    Args:
        params: Weights of two or more dimensions; all of them have to get gradients.
        lr (`float`): Learning rate.
        momentum (`float`): Nesterov momentum.
        weight_decay (`float`): Decoupled weight decay, in units of `lr`.
    """

    def __init__(self, params: Iterable, lr: float, momentum: float = 0.95, weight_decay: float = 0.01):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """One step."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[torch.Tensor]] = {}
            for weight in group["params"]:
                shapes.setdefault((len(weight), weight[0].numel()), []).append(weight)
            for shape, weights in shapes.items():
                self._step_together(shape, weights, group)

    def _step_together(self, shape: tuple[int, int], weights: list[torch.Tensor], group: dict) -> None:
        gradients = torch.stack([weight.grad.reshape(shape) for weight in weights])
        moments = [self._moment(weight, shape) for weight in weights]
        torch._foreach_mul_(moments, group["momentum"])
        torch._foreach_add_(moments, list(gradients))
        updates = orthogonal(gradients + group["momentum"] * torch.stack(moments))
        updates = updates * (0.2 * max(shape) ** 0.5)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, [u.reshape(w.shape) for u, w in zip(updates, weights)], alpha=-group["lr"])

    def _moment(self, weight: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        state = self.state[weight]
        if not state:
            state["moment"] = torch.zeros(shape, device=weight.device)
        return state["moment"]


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """
    The nearest matrices whose singular values are about 1, by five Newton-Schulz iterations in bfloat16.

    Args:
        matrices (tensor of shape (batch, rows, columns)): Any.

    Returns:
        Tensor of the same shape, float32.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.mT if tall else x).float()
