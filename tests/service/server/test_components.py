"""What the settings say reaches the parts."""

from pathlib import Path

from service.runtime.providers import RuntimeOptions
from service.server.components import runtime_options
from service.settings import Settings


def test_the_runtime_options_are_what_the_settings_say():
    chosen = {"provider": "tensorrt", "require_provider": "cuda", "threads": 3, "runners": 2, "batch_max": 4}
    memory = {"cuda_arena": "doubling", "cuda_memory_max_bytes": 2**30, "tensorrt_cache_dir": Path("/cache")}
    expected = RuntimeOptions("tensorrt", "cuda", 3, 2, 4, **memory)
    assert runtime_options(Settings.load(**chosen, **memory)) == expected
