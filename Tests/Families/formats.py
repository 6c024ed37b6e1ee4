"""Number formats and the safetensors file format, from their specifications. Values are numpy arrays of float64."""

import json
import struct

import numpy as np

MAGNITUDES = np.array(
    [m / 512 if e == 0 else (1 + m / 8) * 2.0 ** (e - 7) for e in range(16) for m in range(8)][:127])
HALVES = (MAGNITUDES[:-1] + MAGNITUDES[1:]) / 2
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
ITEM_SIZES = {"U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E8M0": 1, "BF16": 2, "F32": 4, "I32": 4, "I64": 8}


def e4m3(values):
    """Codes of the nearest E4M3 numbers, ties to the even code, saturated."""
    absolute = np.minimum(np.abs(values), 448)
    code = np.searchsorted(HALVES, absolute, side="left")
    tie = (code < 126) & (absolute == HALVES[np.minimum(code, 125)]) & (code % 2 == 1)
    return ((code + tie) | (np.signbit(values).astype(np.int64) << 7)).astype(np.uint8)


def e4m3_value(codes):
    return MAGNITUDES[codes & 0x7F] * np.where(codes & 0x80, -1.0, 1.0)


def bf16(values):
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def bf16_value(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def spread(scales, rows, columns):
    """One scale for each block of 128 x 128, as one for each element."""
    return np.repeat(np.repeat(scales, 128, -2), 128, -1)[..., :rows, :columns]


def in_blocks(weights):
    """What FP8 with one FP32 scale for each 128 x 128 keeps of BF16 weights: the scale is the largest magnitude / 448."""
    *stack, given_rows, given_columns = weights.shape
    gaps = [(0, 0)] * len(stack) + [(0, -given_rows % 128), (0, -given_columns % 128)]
    weights = np.pad(weights, gaps)
    rows, columns = weights.shape[-2:]
    blocks = weights.reshape(*stack, rows // 128, 128, columns // 128, 128).astype(np.float32)
    largest = np.abs(blocks).max((-3, -1))
    scales = np.where(largest == 0, np.float32(1), largest / np.float32(448)).astype(np.float32)
    each = spread(scales, rows, columns)
    kept = e4m3_value(e4m3((weights.astype(np.float32) / each).astype(np.float64))) * each.astype(np.float64)
    return kept[..., :given_rows, :given_columns]


def write(path, tensors):
    """`tensors` is a list of (name, type, shape, bytes); they lie in this order."""
    header, position = {}, 0
    for name, kind, shape, data in tensors:
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [position, position + len(data)]}
        position += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, data in tensors:
            file.write(data)


class Tensor:
    """A tensor as it lies in a file."""

    def __init__(self, kind, shape, data):
        self.kind, self.shape, self.data = kind, tuple(shape), data

    def array(self):
        types = {"U8": "u1", "I8": "u1", "F8_E4M3": "u1", "F8_E8M0": "u1", "BF16": "<u2", "F32": "<f4", "I32": "<u4",
                 "I64": "<i8"}
        return np.frombuffer(self.data, types[self.kind]).reshape(self.shape)

    def values(self):
        array = self.array()
        if self.kind == "BF16":
            return bf16_value(array)
        if self.kind == "F8_E4M3":
            return e4m3_value(array)
        if self.kind == "F8_E8M0":
            return np.exp2(array.astype(np.float64) - 127)
        return array.astype(np.float64)
