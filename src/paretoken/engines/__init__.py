"""How serving engines are started, made ready, watched and stopped."""

from paretoken.engines.embedded import EmbeddedEngine, default_threads, engine_version, usable_cpus
from paretoken.engines.probe import completes
from paretoken.engines.process import ServerProcess
from paretoken.engines.random_llama import DEFAULT_SIZE, SIZES, Shape, shape_of
from paretoken.engines.tiny_model import TinyModel, cached_model, make_hf_folder, make_model, user_cache
from paretoken.errors import EngineFailed

__all__ = [
    "DEFAULT_SIZE",
    "SIZES",
    "EmbeddedEngine",
    "EngineFailed",
    "ServerProcess",
    "Shape",
    "TinyModel",
    "cached_model",
    "completes",
    "default_threads",
    "engine_version",
    "make_hf_folder",
    "make_model",
    "shape_of",
    "usable_cpus",
    "user_cache",
]
