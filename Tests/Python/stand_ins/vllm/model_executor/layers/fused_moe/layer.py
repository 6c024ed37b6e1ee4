"""A module that imported the choice by name, as the engine's layers do."""

from vllm.model_executor.layers.fused_moe.all2all_utils import (
    maybe_make_prepare_finalize,
    maybe_roundup_layer_hidden_size,
)


def make(moe, quant_config, **keywords):
    return maybe_make_prepare_finalize(moe, quant_config, **keywords)


def hidden_size(size, parallel):
    return maybe_roundup_layer_hidden_size(size, None, parallel)
