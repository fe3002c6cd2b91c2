"""Where bf16 pays."""

from __future__ import annotations

import contextlib

import torch


def has_fast_bf16(device: torch.device) -> bool:
    """GPUs, and CPUs with AVX-512 bf16 or AMX: about twice as fast as float32 there, slower everywhere else."""
    if device.type != "cpu":
        return device.type == "cuda"
    can = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.10; an older one stays in float32
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


def fast_arithmetic(device: torch.device) -> contextlib.AbstractContextManager:
    """bf16 autocast where it pays. Close it before a `yield`: autocast belongs to a thread, a generator does not."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device))
