"""vLLM plug-in: swiftep as the all-to-all of expert parallelism.

vLLM finds ``activate`` by the entry-point group ``vllm.general_plugins`` and runs it in each process. It does nothing
unless ``SWIFTEP_VLLM=1``. Then ``--all2all-backend deepep_low_latency`` runs on swiftep, without DeepEP and without its
list of hidden sizes; where vLLM has a registry of such back ends (its pull request 50556), there also is
``--all2all-backend swiftep``. ``docs/engines.md`` says more. Not tested inside of vLLM.
"""

from __future__ import annotations

import logging
import os

logger = logging.getLogger(__name__)

#: ``1`` switches the plug-in on.
ENVIRONMENT = "SWIFTEP_VLLM"


def activate() -> None:
    """The function that the entry point runs, once or several times in a process."""
    if os.environ.get(ENVIRONMENT) != "1":
        logger.info("swiftep is installed and not used; %s=1 switches it on", ENVIRONMENT)
        return
    from . import selection

    selection.patch()
    registered = selection.register_factory()
    logger.info(
        "swiftep runs --all2all-backend deepep_low_latency%s", " and --all2all-backend swiftep" if registered else ""
    )
