"""DeepGEMM's masked grouped GEMM on SwiftEP's kernels: ``import swiftep.deep_gemm as deep_gemm``.

``install()`` puts that one function in the place of the original's, for engines that import ``deep_gemm``.
"""

from __future__ import annotations

from . import utils
from ._install import install
from .gemm import fp8_m_grouped_gemm_nt_masked, m_grouped_fp8_gemm_nt_masked
from .multiprocessors import get_num_sms, set_num_sms
from .utils.layout import get_col_major_tma_aligned_tensor, get_mn_major_tma_aligned_tensor
from .weights import Packed, check, clear, pack, packing_seconds

__all__ = [
    "Packed",
    "check",
    "clear",
    "fp8_m_grouped_gemm_nt_masked",
    "get_col_major_tma_aligned_tensor",
    "get_mn_major_tma_aligned_tensor",
    "get_num_sms",
    "install",
    "m_grouped_fp8_gemm_nt_masked",
    "pack",
    "packing_seconds",
    "set_num_sms",
    "utils",
]
