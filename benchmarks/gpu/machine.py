"""The machine: what it is, and its two ceilings, by a matrix product and by a copy in its memory."""

import importlib.util
import platform
import time
from importlib.metadata import version
from typing import Any

import torch

from trainer.run.throughput import measured_matmul_rate

COPIED_BYTES = {"cuda": 4 << 30, "cpu": 64 << 20}
REPEATS = 5


def run(source: str, output: str, device_name: str) -> dict[str, Any]:
    device = torch.device(device_name)
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else platform.machine(),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "deepspeed": version("deepspeed"),
        "flash_attn": importlib.util.find_spec("flash_attn") is not None,
        "matmul_bf16_flops_per_s": measured_matmul_rate(device, torch.bfloat16),
        "matmul_fp32_flops_per_s": measured_matmul_rate(device, torch.float32),
        "copy_bytes_per_s": copy_rate(device),
    }
    if device.type == "cuda":
        found["memory_bytes"] = torch.cuda.get_device_properties(device).total_memory
        found["capability"] = list(torch.cuda.get_device_capability())
    return found


def copy_rate(device: torch.device) -> float:
    """Bytes read and written a second by the best of a few large copies."""
    source = torch.randint(0, 255, (COPIED_BYTES[device.type],), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    best = float("inf")
    for _ in range(REPEATS):
        started = _now(device)
        target.copy_(source)
        best = min(best, _now(device) - started)
    return 2 * source.numel() / best


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
