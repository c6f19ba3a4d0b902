"""Attention in parts: a softmax over some keys and one over others make that over both, by their log-sum-exps."""

import torch


def gives_lse(query: torch.Tensor) -> bool:
    """
    Whether `attention_with_lse` is to be had for such queries. It has no derivatives: the log-sum-exps that torch's
    kernels give are no part of what they differentiate. Other kernels that give them would add no case: cuDNN's needs
    Ampere and heads of a multiple of 8 channels, too, and `flex_attention` keeps all scores where it is not compiled.
    """
    if query.device.type == "cuda":
        dtypes = torch.float16, torch.float32, *([torch.bfloat16] if _since_ampere(query.device) else [])
        fits = query.dtype in dtypes and query.shape[-1] % 8 == 0
    else:
        fits = query.device.type == "cpu"
    return fits and not torch.is_grad_enabled()


def attention_with_lse(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    `scaled_dot_product_attention` with the logarithm of what its softmax divides by.

    Args:
        query (`torch.Tensor` of shape (rows, heads, queries, channels)): Of what [`gives_lse`] says.
        key, value (`torch.Tensor` of shape (rows, heads, keys, channels)): At least one key.

    Returns:
        `tuple[torch.Tensor, torch.Tensor]`: The attention, of the shape of `query`, and log sum_k exp(q k / sqrt(c)),
        of shape (rows, heads, queries), in float32 or better.
    """
    aten = torch.ops.aten
    if query.device.type == "cpu":
        return aten._scaled_dot_product_flash_attention_for_cpu(query, key, value)[:2]
    if query.dtype != torch.float32 and query.shape[-1] <= 256 and _since_ampere(query.device):
        return aten._scaled_dot_product_flash_attention(query, key, value)[:2]
    output, lse = aten._scaled_dot_product_efficient_attention(query, key, value, None, True)[:2]
    return output, lse[..., : query.shape[2]]  # which the kernel has padded


def merged(first: tuple[torch.Tensor, torch.Tensor], second: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """
    The attention to the keys of both, by what `attention_with_lse` gave for each: with s_1 and s_2 the sums that the
    two softmaxes divide by, (s_1 a_1 + s_2 a_2) / (s_1 + s_2).
    """
    (first_output, first_lse), (second_output, second_lse) = first, second
    share = (first_lse - second_lse).sigmoid()[..., None]
    output = torch.lerp(second_output.to(share.dtype), first_output.to(share.dtype), share)
    return output.to(first_output.dtype)


def _since_ampere(device: torch.device) -> bool:
    """Whether a GPU has the flash kernels, and those for bfloat16."""
    return torch.cuda.get_device_properties(device).major >= 8
