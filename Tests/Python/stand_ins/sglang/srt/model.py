"""A decode step of one MoE layer in the order of Single Batch Overlap on Hopper."""

from sglang.srt.batch_overlap.single_batch_overlap import compute_overlap_args
from sglang.srt.layers.moe.utils import is_sbo_enabled


def forward(dispatcher, runner, quant_info, hidden_states, topk_weights, topk_ids, shared_experts, alt_stream, sms):
    """`shared_experts` maps hidden states to what is added at the end."""
    dispatcher.dispatch_a(hidden_states, topk_weights, topk_ids)
    shared = shared_experts(hidden_states)
    received = dispatcher.dispatch_b()
    if is_sbo_enabled():
        combine, down, meta = compute_overlap_args(received, alt_stream, sms)
        dispatcher.set_overlap_args(combine, meta)
        runner.set_overlap_args(down, meta)
    made = runner.run(received, quant_info)
    dispatcher.combine_a(made)
    output = dispatcher.combine_b()
    dispatcher.clear_overlap_args()
    runner.clear_overlap_args()
    return output + shared
