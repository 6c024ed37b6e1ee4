"""Dispatch and combine on the simulator against NumPy, with all ranks in this process."""

import numpy as np
import pytest
import swiftep
from inputs import Inputs
from swiftep._reference import quantise_rows

SHAPE = {"hidden": 512, "experts": 8, "top_k": 3, "max_tokens": 5}


def dispatched(inputs, rank, ranks, experts):
    """What a rank receives, by expert: the source rank and token of each row, by rank and then by token."""
    local = experts // ranks
    return [
        [
            (source, int(token))
            for source in range(ranks)
            for token in np.nonzero((inputs.topk_idx[source] == expert).any(axis=1))[0]
        ]
        for expert in range(rank * local, (rank + 1) * local)
    ]


def check_received(dispatch, rows_of, inputs):
    buffer = dispatch.buffer
    ranks = buffer.group.ranks
    wanted = dispatched(inputs, buffer.rank, ranks, buffer.experts)
    assert dispatch.received_count.numpy().tolist() == [len(rows) for rows in wanted]
    source, ranges = dispatch.source_info.numpy(), dispatch.layout_range.numpy()
    for expert, rows in enumerate(wanted):
        assert [(int(s) >> 32, int(s) & 0xFFFFFFFF) for s in source[expert, : len(rows)]] == rows
        first = 0
        for rank in range(ranks):
            count = sum(source_rank == rank for source_rank, _ in rows)
            if count:
                assert int(ranges[expert, rank]) == first << 32 | count, (expert, rank)
            else:
                assert int(ranges[expert, rank]) & 0xFFFFFFFF == 0, (expert, rank)
            first += count
        for row, (rank, token) in enumerate(rows):
            rows_of(expert, row, inputs.x[rank][token])


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("format, scales", [("bfloat16", "float32"), ("float8", "float32"), ("float8", "exponents")])
def test_dispatch_and_combine(ranks, format, scales):
    inputs = Inputs(31 + ranks, ranks, **SHAPE)
    with swiftep.Group.local(ranks, "simulator") as group:
        buffers = group.buffers(**SHAPE, format=format, scales=scales)
        for _ in range(3):
            exchange(group, buffers, inputs)


def exchange(group, buffers, inputs):
    sent = [b.dispatch(x, i) for b, x, i in zip(buffers, inputs.x, inputs.topk_idx)]
    totals = [np.full(b.local_experts, 7, np.int32) for b in buffers]
    waits = [np.zeros(group.ranks, np.int64) for _ in buffers]
    for dispatch, total, wait in zip(sent, totals, waits):
        assert dispatch.receive(totals=total, waits=wait) is dispatch
    group.synchronize()
    for dispatch, total in zip(sent, totals):
        check_rows(dispatch, inputs)
        assert (total - 7 == dispatch.received_count.numpy()).all()

    # Small whole numbers and weights that are powers of two, whose sums are exact in any order.
    random = np.random.default_rng(5)
    shape = (buffers[0].local_experts, buffers[0].max_rows, buffers[0].hidden)
    values = [random.integers(-8, 9, shape) for _ in buffers]
    factors = [2.0 ** random.integers(-2, 2, i.shape).astype(np.float32) for i in inputs.topk_idx]
    rows = [swiftep.to_bfloat16(v) for v in values]
    outputs = [b.combine(d, r, i, w) for b, d, r, i, w in zip(buffers, sent, rows, inputs.topk_idx, factors)]
    group.synchronize()
    for rank, output in enumerate(outputs):
        wanted = np.zeros(output.shape, np.float32)
        for token, choices in enumerate(inputs.topk_idx[rank]):
            for slot, expert in enumerate(choices):
                if expert >= 0:
                    owner, local = divmod(int(expert), buffers[0].local_experts)
                    row = dispatched(inputs, owner, group.ranks, buffers[0].experts)[local].index((rank, token))
                    wanted[token] += factors[rank][token, slot] * values[owner][local, row]
        assert (swiftep.from_bfloat16(output) == wanted).all(), rank


def check_rows(dispatch, inputs):
    buffer = dispatch.buffer
    rows, scales = dispatch.rows.numpy(), dispatch.row_scales and dispatch.row_scales.numpy()

    def compare(expert, row, token):
        if buffer.format == "bfloat16":
            assert (rows[expert, row] == token).all()
            return
        states = swiftep.from_bfloat16(token)
        if buffer.scales == "float32":
            codes, factors = quantise_rows(states)
            assert (rows[expert, row] == codes).all()
            assert (scales[expert, :, row] == factors).all()
        else:
            words = scales[expert, :, row]
            exponents = np.stack([words >> (8 * part) & 0xFF for part in range(4)], axis=-1).ravel()
            factors = 2.0 ** (exponents.astype(np.float64) - 127)
            largest = np.abs(states).reshape(-1, 128).max(axis=-1)
            assert (largest <= 448 * factors).all() and (largest > 224 * factors).all()
            wanted = swiftep.to_float8(states.reshape(-1, 128) / factors[:, None]).ravel()
            assert (rows[expert, row] == wanted).all()

    check_received(dispatch, compare, inputs)


def test_combine_beside_a_gemm():
    """The combine's send runs beside the GEMM that makes its rows, block by block."""
    ranks, shape = 2, {"hidden": 256, "experts": 4, "top_k": 2, "max_tokens": 20}
    inputs = Inputs(77, ranks, **shape)
    random = np.random.default_rng(78)
    with swiftep.Device() as device, swiftep.Group.local(ranks, device) as group:
        buffers = group.buffers(**shape, block_m=16)
        outputs = []
        for beside in (False, True):
            sent = [b.dispatch(x, i).receive() for b, x, i in zip(buffers, inputs.x, inputs.topk_idx)]
            group.synchronize()
            if not outputs:
                weights = [
                    swiftep.PackedWeights(device, *swiftep.quantise_blocks(random.standard_normal((2, 256, 256))))
                    for _ in range(ranks)
                ]
            gemms = [
                swiftep.GroupedGEMM(w, max_rows=b.max_rows, block_m=16, signals=beside)
                for w, b in zip(weights, buffers)
            ]
            results = []
            for buffer, dispatch, gemm, topk_idx, factors in zip(
                buffers, sent, gemms, inputs.topk_idx, inputs.topk_weights
            ):
                blocks = -(-buffer.max_rows // 16)
                signals = np.zeros((2, blocks), np.uint32) if beside else None
                overlap = swiftep.Overlap(signals, gemm.threshold, 1) if beside else None
                stream = device.stream()
                gemm.enqueue(
                    dispatch.rows,
                    dispatch.row_scales,
                    dispatch.received_count,
                    dispatch.expert_output,
                    signals=signals,
                    multiprocessors=2 if beside else 0,
                    stream=stream,
                )
                # Without an overlap the rows must be there when the send gets its turn: on the same stream.
                send = None if beside else stream
                results.append(
                    buffer.combine(dispatch, dispatch.expert_output, topk_idx, factors, overlap=overlap, stream=send)
                )
            group.synchronize()
            outputs.append(results)
        for plain, beside in zip(*outputs):
            assert (plain == beside).all() and plain.any()


def test_dispatches_end():
    """A dispatch is over when the second one behind it is sent, after a reset, and with its buffer."""
    with swiftep.Group.local(1, "simulator") as group:
        (buffer,) = group.buffers(**SHAPE)
        inputs = Inputs(3, 1, **SHAPE)
        first, second, third = (buffer.dispatch(inputs.x[0], inputs.topk_idx[0]).receive() for _ in range(3))
        group.synchronize()
        assert second.received_count.numpy().tolist() == third.received_count.numpy().tolist()
        for use in (lambda: first.rows, first.receive, lambda: buffer.combine_send(first, first, None)):
            with pytest.raises(swiftep.OutOfOrder, match="overwritten"):
                use()
        buffer.reset()
        # After a dispatch, too: turns may begin anew or go on.
        for _ in range(4):
            for over in (first, second, third):
                with pytest.raises(swiftep.OutOfOrder, match="dispatch again"):
                    over.rows  # noqa: B018
            fourth = buffer.dispatch(inputs.x[0], inputs.topk_idx[0]).receive()
        group.synchronize()
        rows = fourth.rows
        buffer.close()
        with pytest.raises(swiftep.OutOfOrder, match="closed"):
            rows.numpy()


def test_no_tokens():
    inputs = Inputs(9, 2, **SHAPE)
    with swiftep.Group.local(2, "simulator") as group:
        buffers = group.buffers(**SHAPE)
        x = [inputs.x[0][:0], inputs.x[1]]
        topk_idx = [inputs.topk_idx[0][:0], inputs.topk_idx[1]]
        factors = [inputs.topk_weights[0][:0], inputs.topk_weights[1]]
        sent = [b.dispatch(t, i).receive() for b, t, i in zip(buffers, x, topk_idx)]
        outputs = [b.combine(d, d.expert_output, i, w) for b, d, i, w in zip(buffers, sent, topk_idx, factors)]
        assert outputs[0].shape == (0, SHAPE["hidden"])
        # Nobody has written rows, so nothing may be computed of them; only the sizes are at stake here.
        with pytest.raises(swiftep.Error):
            group.synchronize()


def test_a_rank_that_does_not_come():
    """A wait in vain is an error that says who waited for whom; a reset brings the buffers back."""
    inputs = Inputs(12, 2, **SHAPE)
    with swiftep.Group.local(2, "simulator") as group:
        buffers = group.buffers(**SHAPE, wait_seconds=0.02)
        buffers[0].dispatch(inputs.x[0], inputs.topk_idx[0]).receive()
        with pytest.raises(swiftep.WaitTimedOut, match="rank 0.*rank 1"):
            group.synchronize()
        with pytest.raises(swiftep.Error) as again:
            buffers[0].dispatch(inputs.x[0], inputs.topk_idx[0])
        assert isinstance(again.value, (swiftep.OutOfOrder, swiftep.WaitTimedOut))
        group.reset(buffers)
        exchange(group, buffers, inputs)


def test_bytes():
    one, two = (swiftep.Buffer.bytes(2, **{**SHAPE, "max_tokens": tokens}) for tokens in (5, 50))
    assert 0 < one < two
    with pytest.raises(swiftep.InvalidArgument, match="hidden"):
        swiftep.Buffer.bytes(1, **{**SHAPE, "hidden": 100})
    with pytest.raises(swiftep.InvalidArgument, match="bfloat16 rows have none"):
        swiftep.Buffer.bytes(1, **{**SHAPE, "hidden": 512, "format": "bfloat16", "scales": "exponents"})
    for name in ("wait_seconds", "link_bytes_per_second", "link_latency_seconds"):
        for number in (float("nan"), float("inf"), -1.0):
            with pytest.raises(swiftep.InvalidArgument, match=f"{name} is "):
                swiftep.Buffer.bytes(1, **{**SHAPE, name: number})
