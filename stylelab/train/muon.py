"""The optimiser of convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for convolutions (Jordan 2024, "Muon"); torch's own takes matrices only.

    A weight (out, in, 3, 3) is handled as a matrix (out, in * 9) and kept at norm sqrt(out): a normalisation behind it makes the
    function independent of it, so the rate is a relative one. Where there is no normalisation, `free`, the norm is left alone.
    """

    def __init__(self, parameters: list[nn.Parameter], lr: float, momentum: float, free: bool = False):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, free=free))

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                running = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                ahead = weight.grad + group["momentum"] * running
                if not group["free"]:
                    weight.mul_(len(weight) ** 0.5 / weight.norm())
                weight.sub_(group["lr"] * orthogonalised(ahead.flatten(1)).view_as(weight))


def orthogonalised(matrix: Tensor, rounds: int = 5) -> Tensor:
    """Roughly U V' of the singular value decomposition U S V': Newton-Schulz rounds in bf16, with Jordan's coefficients."""
    x = matrix.bfloat16()
    x = x / (x.norm() + 1e-7)
    if tall := x.shape[0] > x.shape[1]:
        x = x.T
    for _ in range(rounds):
        square = x @ x.T
        x = 3.4445 * x + (2.0315 * square @ square - 4.7750 * square) @ x
    return (x.T if tall else x).to(matrix.dtype)
