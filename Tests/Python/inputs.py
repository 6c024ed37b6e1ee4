"""Inputs of tests, by seed."""

import numpy as np
import swiftep
from swiftep import LayerWeights, SharedExpert


class Inputs:
    """Tokens and choices of all ranks. Some choices select nothing, and ranks have different numbers of tokens."""

    def __init__(self, seed, ranks, *, hidden, experts, top_k, max_tokens):
        print(f"seed {seed}: {ranks} ranks, hidden {hidden}, {experts} experts, top {top_k}, {max_tokens} tokens")
        random = np.random.default_rng(seed)
        self.tokens = [max_tokens - rank % max_tokens for rank in range(ranks)]
        self.x = [swiftep.to_bfloat16(random.standard_normal((tokens, hidden)) * 2) for tokens in self.tokens]
        self.topk_idx = []
        for tokens in self.tokens:
            choices = np.stack([random.permutation(experts)[:top_k] for _ in range(tokens)]).astype(np.int64)
            choices[random.random(choices.shape) < 0.15] = -1
            self.topk_idx.append(choices)
        self.topk_weights = [random.random((tokens, top_k), dtype=np.float32) for tokens in self.tokens]
        self.shared_weights = [random.random(tokens, dtype=np.float32) for tokens in self.tokens]


def matrix(random, *shape):
    """Blocks of FP8 weights with values about 1 / sqrt(columns)."""
    return swiftep.quantise_blocks(random.standard_normal(shape, dtype=np.float32) * shape[-1] ** -0.5)


def layer_weights(seed, ranks, *, local, hidden, intermediate):
    """Weights of each rank, and a shared expert."""
    print("seed of weights", seed)
    random = np.random.default_rng(seed)
    weights = [
        LayerWeights(*matrix(random, local, 2 * intermediate, hidden), *matrix(random, local, hidden, intermediate))
        for _ in range(ranks)
    ]
    shared = SharedExpert(*matrix(random, 2 * intermediate, hidden), *matrix(random, hidden, intermediate))
    return weights, shared
