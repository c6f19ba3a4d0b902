"""Sequential CPU offload without a GPU."""

from unittest import mock

import accelerate
import torch


def offload_sequentially(pipe) -> None:
    """
    `enable_sequential_cpu_offload` from the CPU to itself. Diffusers calls the execution device "cpu:0", where
    accelerate would make plain tensors of parameters.
    """
    offload, device = accelerate.cpu_offload, torch.device("cpu")
    with mock.patch.object(accelerate, "cpu_offload", lambda model, _, **options: offload(model, device, **options)):
        pipe.enable_sequential_cpu_offload(device="cpu")
