"""The devices of a run: precision, and what the processes tell each other at each step."""

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from training.config import Config, ConfigError

_PATIENCE = timedelta(days=7)
"""Of processes that wait for the leader's validation; that one of them has ended is found otherwise."""


class _Together(LightningEnvironment):
    """Tells Fabric that its processes are here already, and which of them this is."""

    creates_processes_externally = True

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def local_rank(self) -> int:
        return self._number


def build_fabric(config: Config, number: int = 0) -> Fabric:
    """Devices and precision of process `number`. Raises ConfigError where this machine does not have them."""
    # A library's network may leave a part of its encoder alone, as PSPNet does.
    unused = bool(config.network.library)
    together = DDPStrategy(cluster_environment=_Together(number), find_unused_parameters=unused)
    try:
        return Fabric(
            accelerator=config.accelerator,
            devices=config.devices,
            precision=config.precision,
            strategy=together if config.devices > 1 else "auto",
        )
    except (MisconfigurationException, ModuleNotFoundError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"accelerator {config.accelerator!r}, devices {config.devices}, precision {config.precision!r}: "
            f"{' '.join(str(error).split())}"
        ) from error


@contextmanager
def launched(fabric: Fabric, devices: int, number: int, meeting: Path) -> Iterator[None]:
    """Within it Fabric's processes reach each other, on this machine alone; the number of threads returns after it."""
    threads, told = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")  # noqa: TID251 - Fabric writes it
    if devices > 1:
        _stay_on_this_machine()
        backend = "nccl" if fabric.device.type == "cuda" else "gloo"
        torch.distributed.init_process_group(
            backend, init_method=f"file://{meeting}", rank=number, world_size=devices, timeout=_PATIENCE
        )
    try:
        fabric.launch()
        with warnings.catch_warnings():
            # Of 1 x 1 convolutions in channels-last memory, whose strides may be written in two ways.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            yield
    finally:
        if devices > 1:
            torch.distributed.destroy_process_group()
            torch.set_num_threads(threads)
            if told is None:
                os.environ.pop("OMP_NUM_THREADS", None)  # noqa: TID251


def _stay_on_this_machine() -> None:
    """Gloo would listen on the network that this host's name belongs to."""
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])  # noqa: TID251


def mean_of_all(fabric: Fabric, values: Tensor) -> Tensor:
    """Values of the same shape in each process -> their mean over the processes."""
    if fabric.world_size == 1:
        return values
    mean = fabric.all_reduce(values.to(fabric.device))
    assert isinstance(mean, Tensor)  # noqa: S101 - tells mypy what a tensor becomes
    return mean


def anywhere(fabric: Fabric, said: bool) -> bool:
    """Whether any process says so: all must stop at the same step, or none."""
    return bool(mean_of_all(fabric, torch.tensor(float(said))) > 0)


def share_statistics(fabric: Fabric, module: nn.Module) -> None:
    """Running statistics of normalisations become their means over the processes, so that all hold the same networks."""
    if fabric.world_size == 1:
        return
    held = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
    shared = mean_of_all(fabric, torch.cat([buffer.flatten() for buffer in held]))
    for buffer, values in zip(held, torch.split(shared, [buffer.numel() for buffer in held]), strict=True):
        buffer.copy_(values.view_as(buffer))
