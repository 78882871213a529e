"""The deployment that a command line of vLLM, SGLang or TensorRT-LLM starts."""
