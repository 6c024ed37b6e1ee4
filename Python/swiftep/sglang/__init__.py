"""SGLang plug-in: Single Batch Overlap on Hopper again.

SGLang finds ``activate`` by the entry-point group ``sglang.srt.plugins`` and runs it at the start of each process. It
does nothing unless ``SWIFTEP_SGLANG=1``. Then ``deep_ep`` and the masked grouped GEMM of ``deep_gemm`` are swiftep's,
and ``--enable-single-batch-overlap`` is no longer refused on SM90. With ``SWIFTEP_SGLANG_EXPERTS=1`` the experts of a
decode step also run in two kernels instead of three. ``docs/engines.md`` says more. Not tested inside of SGLang.
"""

from __future__ import annotations

import logging
import os

logger = logging.getLogger(__name__)

#: ``1`` switches the plug-in on.
ENVIRONMENT = "SWIFTEP_SGLANG"
#: ``1``: experts in two kernels, with packed copies of the weights. ``in_place``: the same, packed in SGLang's own
#: memory.
EXPERTS_ENVIRONMENT = "SWIFTEP_SGLANG_EXPERTS"


def activate() -> None:
    """The function that the entry point runs."""
    if os.environ.get(ENVIRONMENT) != "1":
        logger.info("swiftep is installed and not used; %s=1 switches it on", ENVIRONMENT)
        return
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    from .. import deep_gemm
    from . import dispatcher, experts, refusal

    chosen = experts.chosen(os.environ.get(EXPERTS_ENVIRONMENT))
    dispatcher.provide_deep_ep()
    deep_gemm.install()
    # Only now: without these kernels the refusal is right.
    HookRegistry.register(refusal.TARGET, refusal.without_refusal, HookType.AROUND)
    if chosen is not None:
        HookRegistry.register(experts.TARGET, chosen.around_run, HookType.AROUND)
    also = "" if chosen is None else ", and runs experts"
    logger.info("swiftep provides deep_ep and the masked grouped GEMM%s", also)
