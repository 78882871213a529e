"""Small source trees in the layouts of the engines, written by us."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

DATE = "2026-11-02"
"""When these trees are said to be from."""

AREA = """
group: Kernels
depends_on:
  - image-build
steps:
- label: "Attention kernels"
  key: attention
  device: h200_18gb
  parallelism: 2
  commands:
    - pytest -v -s kernels/attention --ignore=kernels/attention/test_slow.py
  mirror:
    amd:
      label: "AMD attention kernels"
      device: mi300_1
- label: "[Nightly] Quantized kernels"
  key: quant
  device: b200-k8s
  num_devices: 2
  optional: true
  commands:
    - pytest -v -s kernels/test_quant.py
  mirror:
    amd:
      device: mi355_dpx
      optional: false
      soft_fail: true
      commands:
        - pytest kernels/test_quant.py kernels/test_rocm_only.py
- label: "Scripts"
  key: scripts
  commands:
    - bash run_something.sh
- label: "AITER"
  key: aiter
  device: mi300_4
  commands:
    - pytest kernels/test_rocm_only.py
- label: "Parsers"
  key: parsers
  device: cpu-small
  commands:
    - pytest test_parsers.py
# Disabled until the wheel is pinned. Ask before turning it on.
# - label: "Mixture kernels"
#   device: h100
#   commands:
#     - pytest kernels/test_moe.py
"""

AMD_LIST = """
steps:
- label: Attention kernels
  agent_pool: mi325_8
  mirror_hardwares: [amdproduction]
  commands:
  - pytest kernels/attention
"""

VLLM = {
    "PKG-INFO": "Metadata-Version: 2.4\nName: vllm\nVersion: 1.2.3\n",
    "vllm/_version.py": "__version__ = version = '1.2.3'\n__commit_id__ = commit_id = 'gabc123def'\n",
    ".buildkite/test_areas/kernels.yaml": AREA,
    ".buildkite/test-amd.yaml": AMD_LIST,
    "tests/utils.py": "import pytest\nfrom x import current_platform\n"
    "cuda_only = pytest.mark.skipif(not current_platform.is_cuda(), reason='CUDA')\n",
    "tests/kernels/attention/test_a.py": "def test_one(): pass\ndef test_two(): pass\n",
    "tests/kernels/attention/test_slow.py": "def test_slow(): pass\n",
    "tests/kernels/test_quant.py": "from tests.utils import cuda_only\n"
    "@cuda_only\ndef test_q(): pass\ndef test_r(): pass\n",
    "tests/kernels/test_rocm_only.py": "def test_aiter(): pass\n",
    "tests/kernels/test_moe.py": "def test_moe(): pass\n",
    "tests/test_parsers.py": "def test_parse(): pass\n",
}

OLD_VLLM = {
    "PKG-INFO": "Name: vllm\nVersion: 0.9.0\n",
    ".buildkite/test-pipeline.yaml": """
steps:
- label: Core Test # 10min
  mirror_hardwares: [amdexperimental, amdproduction]
  commands:
  - pytest -v -s core
- label: Kernels Test %N
  mirror_hardwares: [amdexperimental]
  commands:
  - pytest -v -s kernels
- label: Entrypoints Test
  gpu: a100
  num_gpus: 4
  commands:
  - pytest -v -s entrypoints
""",
    "tests/core/test_c.py": "def test_c(): pass\n",
    "tests/kernels/test_k.py": "def test_k(): pass\n",
    "tests/entrypoints/test_e.py": "def test_e(): pass\n",
}

SGLANG = {
    "test/run_suite.py": """
PER_COMMIT_SUITES = {
    HWBackend.CUDA: ["base-b-test-1-gpu-large", "extra-a-test-1-gpu-large"],
    HWBackend.AMD: ["stage-b-test-1-gpu-small-amd"],
}
NIGHTLY_SUITES = {
    HWBackend.CUDA: ["nightly-8-gpu-h200"],
    HWBackend.AMD: ["nightly-amd-1-gpu"],
}
OTHER_SUITES = {HWBackend.CUDA: ["weekly-8-gpu-h200"]}
""",
    "scripts/ci/runner_configs.yml": "runner_configs:\n"
    "  1-gpu-large: {runs_on: 1-gpu-h100}\n  8-gpu-h200: {runs_on: 8-gpu-h200}\n",
    "test/registered/attention/test_both.py": """
register_cuda_ci(est_time=30, stage="base-b", runner_config="1-gpu-large")
register_amd_ci(est_time=40, suite="stage-b-test-1-gpu-small-amd")
""",
    "test/registered/attention/test_cuda.py": """
register_cuda_ci(est_time=30, stage="base-b", runner_config="1-gpu-large")
""",
    "test/registered/disaggregation/test_night.py": """
register_cuda_ci(est_time=1200, stage="nightly", runner_config="8-gpu-h200")
register_amd_ci(10, "nightly-amd-1-gpu", nightly=True)
""",
    "test/registered/kernels/test_extra.py": """
register_cuda_ci(est_time=30, stage="extra-a", runner_config="1-gpu-large")
register_amd_ci(est_time=5, suite="stage-b-test-1-gpu-small-amd", disabled="flaky, see #1")
""",
    "test/registered/kernels/test_dead.py": 'register_amd_ci(est_time=5, suite="gone-amd")\n',
}

SGLANG_WORKFLOWS = {
    ".github/workflows/pr-test-amd.yml": """
on:
  pull_request:
  schedule:
    - cron: '0 */6 * * *'
jobs:
  large:
    steps:
      - uses: actions/checkout@v4
      - run: |
          bash exec.sh -w /test python3 run_suite.py \\
            --suite stage-c-large-amd --hw amd ${{ inputs.keep_going && '--continue-on-error' || '' }}
          # python3 run_suite.py --hw amd --suite commented-amd
  off:
    if: false
    steps:
      - run: python3 run_suite.py --hw amd --suite off-amd
""",
    ".github/workflows/nightly-test-amd.yml": """
on:
  schedule:
    - cron: '30 17 * * *'
  push:
    branches: [main]
jobs:
  night:
    steps:
      - run: python3 run_suite.py --hw amd --suite nightly-accuracy-amd --nightly --timeout-per-file 7200
      - run: python3 run_suite.py --hw cuda --suite ${{ inputs.suite }}
      - run: python3 sglang/multimodal_gen/test/run_suite.py --hw amd --suite images-amd
""",
    ".github/workflows/weekly-test.yml": """
on:
  schedule:
    - cron: '0 0 * * 0'
jobs:
  week:
    steps:
      - run: python3 run_suite.py --hw cuda --suite soak-8-gpu --nightly
""",
}
"""Suites that only workflows name, in every way that a workflow can name or not name one."""

IN_WORKFLOWS = {
    "test_gate.py": ('register_amd_ci(5, "stage-c-large-amd")', "gate"),
    "test_night.py": ('register_amd_ci(5, "nightly-accuracy-amd", nightly=True)', "nightly"),
    "test_week.py": ('register_cuda_ci(5, "soak-8-gpu", nightly=True)', "weekly"),
    "test_flag.py": ('register_amd_ci(5, "nightly-accuracy-amd")', "unknown"),
    "test_vendor.py": ('register_amd_ci(5, "soak-8-gpu", nightly=True)', "unknown"),
    "test_comment.py": ('register_amd_ci(5, "commented-amd")', "unknown"),
    "test_off.py": ('register_amd_ci(5, "off-amd")', "unknown"),
    "test_images.py": ('register_amd_ci(5, "images-amd")', "unknown"),
    "test_nowhere.py": ('register_amd_ci(5, "nowhere-amd")', "unknown"),
}
"""Registrations by file, each with when it runs under `SGLANG_WORKFLOWS`."""

OLD_SGLANG = {
    "test/srt/run_suite.py": """
suites = {
    "per-commit-1-gpu": [
        TestFile("lora/test_lora.py", 200),
        TestFile("test_mla.py", 167),
    ],
    "nightly-8-gpu": [TestFile("test_big.py")],
}
suite_amd = {
    "per-commit-amd": [
        TestFile("test_mla.py", 242),
        # TestFile("lora/test_lora.py", 200), # Disabled, see #7701
    ],
}
suites.update(suite_amd)
""",
}

TRTLLM = {
    "tests/integration/test_lists/test-db/l0_h100.yml": """
version: 0.0.1
l0_h100:
- condition:
    ranges: {system_gpu_count: {gte: 2, lte: 2}}
    wildcards: {gpu: ['*h100*']}
    terms: {stage: pre_merge, backend: pytorch}
  tests:
  - unittest/_torch -k "modeling"
  - accuracy/test_api.py::TestLlama::test_fp8[a-b]
- condition:
    wildcards: {gpu: ['*h100*']}
    terms: {stage: post_merge, backend: cpp}
  tests:
  - gone/test_gone.py::test_it
""",
    "tests/unittest/_torch/test_m.py": "def test_m(): pass\n",
    "tests/integration/defs/accuracy/test_api.py": "class TestLlama:\n    def test_fp8(self): pass\n",
}

PYTORCH = {
    ".github/workflows/pull.yml": """
on:
  pull_request:
jobs:
  linux-cuda-build:
    with:
      test-matrix: |
        { include: [
          { config: "default", shard: 1, num_shards: 2, runner: "linux.g5.4xlarge.nvidia.gpu" },
          { config: "default", shard: 2, num_shards: 2, runner: "linux.g5.4xlarge.nvidia.gpu" },
        ]}
""",
    ".github/workflows/rocm.yml": """
on:
  push:
    tags: [ciflow/rocm/*]
  schedule:
    - cron: 29 8 * * *
jobs:
  linux-rocm-build:
    with:
      test-matrix: |
        { include: [
          { config: "default", shard: 1, num_shards: 2, runner: "linux.rocm.gpu.2" },
        ]}
""",
    "test/run_test.py": 'ROCM_BLOCKLIST = ["test_jit_legacy", "distributed/rpc/test_x"]\n',
}


def write_tree(root: Path, files: dict[str, str]) -> Path:
    """The files below a folder; returns the folder."""
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(dedent(text), encoding="utf-8")
    return root
