"""Where and how wide a model is to run: what the settings say about it, apart from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.settings import Arena, Precision, Provider


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how wide a model is to run.

    Attributes:
        provider: Wanted: cpu, cuda, tensorrt, or auto for CUDA if it works.
        require: Refuse any other than this one.
        threads: Of one inference on the CPU; 0 for every core.
        runners: Concurrent inferences on the CPU; 0 decides.
        batch_max: Most frames in a batch on a GPU, rounded down to 1, 2, 4 or 8.
        cuda_arena: How GPU memory is claimed: exactly what is needed, or doubling.
        cuda_memory_max_bytes: Most GPU memory; 0 for no bound.
        cuda_graphs: Record the work of each batch size once, and replay it; without, CUDA runs one frame at a time.
        tensorrt_cache_dir: Where TensorRT keeps its engines.
        precision: Which of the release's models: fp32, int8, or auto for int8 where it answers as released.
    """

    provider: Literal["auto"] | Provider = "auto"
    require: Provider | None = None
    threads: int = 0
    runners: int = 0
    batch_max: int = 8
    cuda_arena: Arena = "exact"
    cuda_memory_max_bytes: int = 0
    cuda_graphs: bool = True
    tensorrt_cache_dir: Path | None = None
    precision: Literal["auto"] | Precision = "auto"
