"""SGLang's load client in Rust, without the engine: its extension module, called as SGLang calls it."""

import importlib.util
import sys
from pathlib import Path

NAME = "sglang.srt.rust_extensions._bench"

found = next(Path(sys.prefix).glob("lib/*/site-packages/sglang/srt/rust_extensions/_bench*.so"))
spec = importlib.util.spec_from_file_location(NAME, found)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.run_argv(["sglang-bench", *sys.argv[1:]])
