window.BENCHMARK_DATA = {
  "lastUpdate": 1779000000000,
  "repoUrl": "https://github.com/ROCm/ATOM",
  "entries": {
    "Benchmark": [
      {
        "commit": {"id": "0123456789abcdef", "message": "a night"},
        "date": 1779000000000,
        "tool": "customBiggerIsBetter",
        "benches": [
          {"name": "ATOM::DeepSeek-R1-0528 accuracy (GSM8K)", "value": 0.95, "unit": "score"},
          {"name": "ATOM-vLLM::GLM-4.7-FP8-aw-tp4 1000/100 c=8 throughput (tok/s)", "value": 400, "unit": "tok/s",
           "extra": "Run: https://github.com/ROCm/ATOM/actions/runs/1 | GPU: AMD Instinct MI355X | VRAM: 288GB | ROCm: 7.2.1 | Docker: rocm/atom-dev:vllm-v0.19.0-nightly"},
          {"name": "ATOM-vLLM::GLM-4.7-FP8-aw-tp4 1000/100 c=8 Total Tput (tok/s)", "value": 4400, "unit": "tok/s"},
          {"name": "ATOM-vLLM::GLM-4.7-FP8-aw-tp4 1000/100 c=8 TTFT (ms)", "value": 200, "unit": "ms"},
          {"name": "ATOM-vLLM::GLM-4.7-FP8-aw-tp4 1000/100 c=8 TPOT (ms)", "value": 18, "unit": "ms"},
          {"name": "ATOM-vLLM::GLM-4.7-FP8-aw-tp4 1000/100 c=8 _gpu_count", "value": 4, "unit": ""},
          {"name": "ATOM::DeepSeek-V4-Pro DPA MTP3 1024/1024 c=64 throughput (tok/s)", "value": 3200, "unit": "tok/s",
           "extra": "Run: https://github.com/ROCm/ATOM/actions/runs/2 | GPU: AMD Radeon Graphics | VRAM: 288GB"},
          {"name": "ATOM::DeepSeek-V4-Pro DPA MTP3 1024/1024 c=64 Total Tput (tok/s)", "value": 6400, "unit": "tok/s"},
          {"name": "ATOM::DeepSeek-V4-Pro DPA MTP3 1024/1024 c=64 TTFT (ms)", "value": 500, "unit": "ms"},
          {"name": "ATOM::DeepSeek-V4-Pro DPA MTP3 1024/1024 c=64 TPOT (ms)", "value": 20, "unit": "ms"},
          {"name": "ATOM::DeepSeek-V4-Pro DPA MTP3 1024/1024 c=64 Accept Length (tok/fwd)", "value": 2.6, "unit": "tok/fwd"},
          {"name": "ATOM::DeepSeek-V4-Pro DPA MTP3 1024/1024 c=64 _gpu_count", "value": 8, "unit": ""},
          {"name": "ATOM::DeepSeek-V4-Pro DPA MTP3 1024/1024 c=64 _tp", "value": 8, "unit": ""},
          {"name": "DeepSeek-R1-0528-MXFP4-MTP-MoEFP4 8192/1024 c=4 throughput (tok/s)", "value": 100, "unit": "tok/s"},
          {"name": "DeepSeek-R1-0528-MXFP4-MTP-MoEFP4 8192/1024 c=4 Total Tput (tok/s)", "value": 900, "unit": "tok/s"},
          {"name": "DeepSeek-R1-0528-MXFP4-MTP-MoEFP4 8192/1024 c=4 TTFT (ms)", "value": 300, "unit": "ms"},
          {"name": "DeepSeek-R1-0528-MXFP4-MTP-MoEFP4 8192/1024 c=4 TPOT (ms)", "value": 9, "unit": "ms"},
          {"name": "DeepSeek-R1-0528-MXFP4-MTP-MoEFP4 8192/1024 c=4 _gpu_count", "value": 8, "unit": ""},
          {"name": "ATOM::gpt-oss-120b 1024/1024 c=4 throughput (tok/s)", "value": 0, "unit": "tok/s"},
          {"name": "ATOM::gpt-oss-120b 1024/1024 c=4 Total Tput (tok/s)", "value": 0, "unit": "tok/s"},
          {"name": "ATOM::gpt-oss-120b 1024/1024 c=4 TTFT (ms)", "value": 0, "unit": "ms"},
          {"name": "ATOM::gpt-oss-120b 1024/1024 c=4 TPOT (ms)", "value": 0, "unit": "ms"},
          {"name": "ATOM::DeepSeek-R1-PD-1P4-1D8 1024/1024 c=32 throughput (tok/s)", "value": 26, "unit": "tok/s"}
        ]
      }
    ]
  }
}
