"""Groups of ranks, of which this process has some."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import os
import sys
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

from . import _check
from . import _structures as c
from ._device import Device
from ._errors import Error, TransportError
from ._handles import Core, Handle
from ._library import call

if TYPE_CHECKING:
    from ._buffer import Buffer
    from ._layer import LocalLayers, MoELayer

#: How layers reach ranks of other nodes: none, as all ranks are of one; an adapter that itself loads and stores; a
#: network engine, which only the simulator has; NVSHMEM, between processes on GPUs.
TRANSPORTS: Mapping[str, int] = {
    "load_store": c.NETWORK_NONE,
    "loopback": c.NETWORK_LOOPBACK,
    "network": c.NETWORK_ENGINE,
    "nvshmem": c.NETWORK_NVSHMEM,
}
#: Seconds for which processes wait for each other, unless told otherwise.
SECONDS = 60.0


class Group(Handle):
    """Ranks that exchange tokens. Made by ``local``, ``join``, ``from_torch`` or ``from_mpi``.

    All of these take `transport` and `ranks_per_node`, the same in all processes: how layers reach other ranks. By
    "load_store" ranks load from and store to each other's memory. Ranks of other nodes are reached with "loopback"
    through a network adapter that itself loads and stores, with "network" through a network engine, which only the
    simulator has, and with "nvshmem" through NVSHMEM, between processes on GPUs of one or several machines.
    `ranks_per_node` consecutive ranks are of one node: 1 where it is None, but with "nvshmem" on several machines the
    ranks of a machine. Buffers cannot be made in a group with a network.

    A process can have one group with "nvshmem" in its lifetime. All processes make its layers together, and close it
    together; its layers have no masks. `host`, for groups of several machines, is a name or address of the machine of
    process 0 by which the others reach it. Where it is None, it is ``MASTER_ADDR`` with "nvshmem", if that is set and
    torchrun does not say that there is one machine, and else this machine alone."""

    def __init__(
        self, number: int, device: Device, owns_device: bool, seconds: float, network: tuple[int, int] = (0, 1)
    ) -> None:
        self.device = device
        parent = device._core
        self._core = Core("group", number, _GroupClose(seconds, parent if owns_device else None), parent)
        info = c.GroupInfo()
        call("swiftep_group_describe", self._number, ctypes.byref(info))
        try:
            call("swiftep_group_network", self._number, *network)
        except BaseException:
            # The others leave as well, and do not wait for this process.
            with contextlib.suppress(Error):
                self._core.close()
            raise
        #: Ranks of the group.
        self.ranks: int = info.ranks
        self.processes: int = info.processes
        #: This process's number.
        self.process: int = info.process
        #: Ranks of this process: `local_ranks` of them from `first_rank` on.
        self.first_rank: int = info.first_rank
        self.local_ranks: int = info.local_ranks
        self.ranks_on_device: int = info.ranks_on_device
        self.devices: int = info.devices

    @classmethod
    def local(
        cls,
        ranks: int,
        device: Device | str | None = None,
        transport: str = "load_store",
        ranks_per_node: int | None = None,
    ) -> Group:
        """All ranks in this process, on one device: a ``Device``, the name of one, or None for PyTorch's current GPU
        or else the simulator.

        Raises ``InvalidArgument`` and ``DeviceError``."""
        _check.integer(ranks, "ranks", 1, 1024)
        network = _network(transport, ranks_per_node)
        number = ctypes.c_uint64()
        with _opened(device) as (opened, owned):
            call("swiftep_group_local", opened._number, ranks, ctypes.byref(number))
            return cls(number.value, opened, owned, SECONDS, network)

    @staticmethod
    def identify(processes: int, host: str | None = None) -> str:
        """Begins a group of several processes, in the one that will be its process 0: returns a text to pass to the
        others, with which all then ``join``. It names a socket of this machine and a secret.

        host: a name or address of this machine by which others reach it; None where all processes are on it."""
        text = ctypes.create_string_buffer(c.IDENTITY_BYTES)
        processes = _check.integer(processes, "processes", 1, 1024)
        if host is None:
            call("swiftep_group_identify", processes, text, c.IDENTITY_BYTES)
        else:
            name = _check.instance(host, "host", str, "a name or number of this machine").encode()
            call("swiftep_group_identify_at", name, processes, text, c.IDENTITY_BYTES)
        return text.value.decode()

    @classmethod
    def join(
        cls,
        identity: str,
        process: int,
        processes: int,
        ranks: int | None = None,
        device: Device | str | None = None,
        seconds: float = SECONDS,
        transport: str = "load_store",
        ranks_per_node: int | None = None,
    ) -> Group:
        """Joins a group as `process` of `processes`. All processes do so.

        ranks: of the whole group, a multiple of the processes; None for one each. seconds: how long it waits for the
        others, here and when the group is closed.
        Raises ``InvalidArgument``, ``DeviceError``, and ``TransportError`` if the others do not come or differ."""
        _check.instance(identity, "identity", str, "the text of Group.identify")
        _check.integer(processes, "processes", 1, 1024)
        _check.integer(process, "process", 0, processes - 1)
        ranks = processes if ranks is None else _check.integer(ranks, "ranks", 1, 1024)
        seconds = _check.number(seconds, "seconds")
        network = _network(transport, ranks_per_node)
        number = ctypes.c_uint64()
        with _opened(device) as (opened, owned):
            call(
                "swiftep_group_join",
                opened._number,
                identity.encode(),
                process,
                processes,
                ranks,
                seconds,
                ctypes.byref(number),
            )
            return cls(number.value, opened, owned, seconds, network)

    @classmethod
    def from_torch(
        cls,
        process_group: Any = None,
        ranks: int | None = None,
        device: Device | str | None = None,
        seconds: float = SECONDS,
        transport: str = "load_store",
        ranks_per_node: int | None = None,
        host: str | None = None,
    ) -> Group:
        """Joins the processes of a ``torch.distributed`` process group, None for the default one: its processes are the
        group's processes. As ``join``."""
        import torch.distributed as distributed

        process, processes = distributed.get_rank(process_group), distributed.get_world_size(process_group)
        told: list[Any] = [_identity(processes, transport, host) if process == 0 else None]
        source = 0 if process_group is None else distributed.get_global_rank(process_group, 0)
        distributed.broadcast_object_list(told, src=source, group=process_group)
        return cls.join(_told(told[0]), process, processes, ranks, device, seconds, transport, ranks_per_node)

    @classmethod
    def from_mpi(
        cls,
        communicator: Any,
        ranks: int | None = None,
        device: Device | str | None = None,
        seconds: float = SECONDS,
        transport: str = "load_store",
        ranks_per_node: int | None = None,
        host: str | None = None,
    ) -> Group:
        """Joins the processes of a communicator of mpi4py. As ``join``."""
        process, processes = communicator.Get_rank(), communicator.Get_size()
        told = communicator.bcast(_identity(processes, transport, host) if process == 0 else None, root=0)
        return cls.join(_told(told), process, processes, ranks, device, seconds, transport, ranks_per_node)

    def buffers(self, **configuration: Any) -> list[Buffer]:
        """A connected ``Buffer`` for each rank of this process, with its arguments."""
        from ._buffer import Buffer

        buffers = [Buffer(self, rank, connect=False, **configuration) for rank in self._local()]
        for buffer in buffers:
            buffer.connect()
        return buffers

    def layers(self, **arguments: Any) -> LocalLayers:
        """The layers of all ranks of this process, with the arguments of ``LocalLayers``."""
        from ._layer import LocalLayers

        return LocalLayers(self, **arguments)

    def synchronize(self) -> None:
        """Waits until everything enqueued on this process's device has completed; on the simulator this is where it
        runs. Then raises the error of a buffer or layer of the group that has failed."""
        self._core.require_open()
        wrong: Error | None = None
        try:
            self.device.synchronize()
        except Error as found:
            wrong = found
        for core in reversed(self._core.children()):
            call(f"swiftep_{core.kind}_check", core.number)
        if wrong is not None:
            raise wrong

    def reset(self, members: Sequence[Buffer | MoELayer], seconds: float = SECONDS) -> None:
        """Resets buffers, or layers, of this process's ranks to their first state after a failure, together with those
        of the other processes. They wait for each other, `seconds` at most. Raises ``TransportError``."""
        self._core.require_open()
        _check.number(seconds, "seconds")
        for member in members:
            member._core.require_open()
        with concurrent.futures.ThreadPoolExecutor(max(1, len(members))) as threads:
            for wait in [threads.submit(member.reset, seconds) for member in members]:
                wait.result()

    def barrier(self, seconds: float = SECONDS) -> None:
        """Waits until all processes have called it, `seconds` at most. Raises ``TransportError``."""
        call("swiftep_group_barrier", self._number, _check.number(seconds, "seconds"))

    def _local(self) -> range:
        return range(self.first_rank, self.first_rank + self.local_ranks)

    def _rank(self, rank: int | None) -> int:
        """The rank that is meant, by default the only one of this process."""
        if rank is None and self.local_ranks == 1:
            return self.first_rank
        return _check.integer(rank, "rank", self.first_rank, self.first_rank + self.local_ranks - 1)

    def __repr__(self) -> str:
        return self._describe(
            f"of {self.ranks} ranks, process {self.process} of {self.processes}, on {self.device.spelling}"
        )


class _GroupClose:
    """Leaves the group, and closes a device that was opened for it."""

    def __init__(self, seconds: float, device: Core | None) -> None:
        self.seconds = seconds
        self.device = device

    def __call__(self, number: int) -> None:
        try:
            call("swiftep_group_close", number, self.seconds)
        finally:
            if self.device is not None:
                self.device.close()


def _network(transport: str, ranks_per_node: int | None) -> tuple[int, int]:
    """The library's arguments for the network between ranks."""
    network = _check.choice(transport, "transport", TRANSPORTS)
    if network == c.NETWORK_NVSHMEM:
        # The library does not know this interpreter's package directories, where NVSHMEM may be.
        packages = [path for path in sys.path if os.path.isdir(os.path.join(path, "nvidia"))]
        os.environ.setdefault("SWIFTEP_SITE_PACKAGES", os.pathsep.join(packages))
    if ranks_per_node is None:
        return network, 0 if network == c.NETWORK_NVSHMEM else 1
    return network, _check.integer(ranks_per_node, "ranks_per_node", 1, 1024)


@contextlib.contextmanager
def _opened(device: Device | str | None) -> Iterator[tuple[Device, bool]]:
    """A device, and whether it has been opened for the group; then it is closed if the group cannot be made."""
    if device is None:
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            device = f"cuda:{torch.cuda.current_device()}"
        else:
            device = "simulator"
    if not isinstance(device, str):
        yield _check.instance(device, "device", Device, 'a swiftep.Device or the name of one, such as "cuda:0"'), False
        return
    opened = Device(device)
    try:
        yield opened, True
    except BaseException:
        opened.close()
        raise


def _identity(processes: int, transport: str, host: str | None) -> tuple[str, str]:
    """The first process's message to the others: an identity, or an error, so that they do not wait for one."""
    # torchrun says how many processes there are, and how many on this machine.
    is_one_machine = os.environ.get("WORLD_SIZE", "") == os.environ.get("LOCAL_WORLD_SIZE")
    if host is None and transport == "nvshmem" and not is_one_machine:
        host = os.environ.get("MASTER_ADDR")
    try:
        return "identity", Group.identify(processes, host)
    except Error as wrong:
        return "error", f"{wrong}" + ("" if host is None else f"; it was to meet the others at host {host!r}")


def _told(told: tuple[str, str]) -> str:
    kind, text = told
    if kind != "identity":
        raise TransportError(f"the first process could not begin a group: {text}")
    return text
