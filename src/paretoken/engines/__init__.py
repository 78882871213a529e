"""How serving engines are started, made ready, watched and stopped."""

from paretoken.engines.command import Ask, Command, command
from paretoken.engines.embedded.engine import EmbeddedEngine, default_threads, engine_version, usable_cpus
from paretoken.engines.embedded.random_llama import DEFAULT_SIZE, SIZES, Shape, shape_of
from paretoken.engines.embedded.tiny_model import (
    TinyModel,
    cached_hf_folder,
    cached_model,
    make_hf_folder,
    make_model,
    user_cache,
)
from paretoken.engines.launch import Launched, check_installed, installed_version
from paretoken.engines.ports import free_port, port_taken
from paretoken.engines.probe import completes
from paretoken.engines.process import ServerProcess
from paretoken.engines.recipes import CPU, Override, Recipe, recipe
from paretoken.errors import EngineFailed

__all__ = [
    "CPU",
    "DEFAULT_SIZE",
    "SIZES",
    "Ask",
    "Command",
    "EmbeddedEngine",
    "EngineFailed",
    "Launched",
    "Override",
    "Recipe",
    "ServerProcess",
    "Shape",
    "TinyModel",
    "cached_hf_folder",
    "cached_model",
    "check_installed",
    "command",
    "completes",
    "default_threads",
    "engine_version",
    "free_port",
    "installed_version",
    "make_hf_folder",
    "make_model",
    "port_taken",
    "recipe",
    "shape_of",
    "usable_cpus",
    "user_cache",
]
