"""Usage in every place, under every name, with every nonsense."""

# ruff: noqa: E501 - a table

from __future__ import annotations

from dataclasses import replace

from tests.support.stream_forms.writing import (
    DONE,
    END,
    FIN,
    PROMPT,
    ROLE,
    TRUE,
    UNCOUNTED,
    Form,
    N,
    Pieces,
    chunk,
    event,
    script,
    thought,
    tok,
    usage,
    with_usage,
)


def forms() -> dict[str, Form]:
    """Usage in every place, under every name, with every nonsense."""
    nothing = (FIN, DONE)

    def last(stated: object, **more: object) -> Pieces:
        return script(end=(FIN, {"choices": [], "usage": stated, **more}, DONE))

    def elsewhere(**more: object) -> Pieces:
        return script(end=({**FIN, **more}, DONE))

    gemini = {"promptTokenCount": PROMPT, "candidatesTokenCount": N, "totalTokenCount": PROMPT + N}
    return {
        "usage_first_1": Form(script((), nothing, ({**ROLE, "usage": usage(1, total=12)},)), replace(TRUE, usage=False)),
        "usage_first_0": Form(script((), nothing, ({**ROLE, "usage": usage(0, total=11)},)), replace(TRUE, usage=False)),
        "usage_first_and_last": Form(script((), ({**FIN, "usage": usage()}, DONE), ({**ROLE, "usage": usage(1)},))),
        "usage_first_without_role": Form(script((), END, (chunk({}, usage=usage(1)),))),
        "usage_in_own_chunk_first": Form(script((), END, ({"choices": [], "usage": usage(1, total=12)}, ROLE))),
        "usage_every_chunk": Form(script(with_usage(lambda i: usage(i + 1, total=12 + i)), before=({**ROLE, "usage": usage(0)},))),
        "usage_every_chunk_from_1": Form(script(with_usage(lambda i: usage(i + 1)), before=({**ROLE, "usage": usage(1)},))),
        "usage_every_chunk_no_end": Form(script(with_usage(lambda i: usage(i + 1)), nothing)),
        "usage_every_chunk_zero_but_last": Form(script(with_usage(lambda i: usage(0, 0, 0)), before=({**ROLE, "usage": usage(0, 0, 0)},))),
        "usage_every_chunk_zero": Form(script(with_usage(lambda i: usage(0, 0, 0)), nothing), UNCOUNTED),
        "usage_every_chunk_one": Form(script(with_usage(lambda i: usage(1, total=12)), nothing), replace(TRUE, usage=False)),
        "usage_every_chunk_all": Form(script(with_usage(lambda i: usage()), ({**FIN, "usage": usage()}, DONE))),
        "usage_every_chunk_null": Form(script(with_usage(lambda i: None))),
        "usage_every_chunk_empty": Form(script(with_usage(lambda i: {}))),
        "usage_own_chunk_after_every_token": Form(
            script([event(tok(i)) + event({"choices": [], "usage": usage(i + 1)}) for i in range(N)], nothing)
        ),
        "usage_in_finish_chunk": Form(script(end=({**FIN, "usage": usage()}, DONE))),
        "usage_in_last_token": Form(script([*[tok(i) for i in range(N - 1)], chunk({"content": " w"}, "stop", usage=usage())], (DONE,))),
        "usage_then_zeros": Form(script(end=({**FIN, "usage": usage()}, {"choices": [], "usage": usage(0, 0, 0)}, DONE))),
        "usage_no_choices": Form(script(end=(FIN, {"usage": usage()}, DONE))),
        "usage_null_choices": Form(script(end=(FIN, {"choices": None, "usage": usage()}, DONE))),
        "usage_empty_delta": Form(script(end=(FIN, chunk({}, usage=usage()), DONE))),
        "usage_absent": Form(script(end=nothing), UNCOUNTED),
        "usage_total_only": Form(last({"prompt_tokens": PROMPT, "total_tokens": PROMPT + N})),
        "usage_anthropic_names": Form(last({"input_tokens": PROMPT, "output_tokens": N})),
        "usage_split": Form(script((), ({**FIN, "usage": {"output_tokens": N}}, DONE), ({**ROLE, "usage": {"input_tokens": PROMPT, "output_tokens": 1}},))),
        "usage_x_groq": Form(elsewhere(x_groq={"id": "r", "usage": usage()})),
        "usage_gemini": Form(elsewhere(usage_metadata=gemini)),
        "usage_gemini_camel": Form(elsewhere(usageMetadata=gemini)),
        "usage_in_choice": Form(script(end=({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage()}]}, DONE))),
        "usage_timings": Form(elsewhere(timings={"prompt_n": 3, "cache_n": 8, "predicted_n": N, "predicted_ms": 1.0})),
        "usage_timings_every_chunk": Form(
            script([tok(i, timings={"prompt_n": PROMPT, "predicted_n": i + 1}) for i in range(N)], nothing)
        ),
        "usage_details_null": Form(last(usage(prompt_tokens_details=None, completion_tokens_details=None))),
        "usage_strings": Form(last(usage(str(N), str(PROMPT), "31"))),
        "usage_floats": Form(last(usage(float(N), float(PROMPT), 31.0))),
        "usage_negative": Form(last(usage(-1, -1, -1)), UNCOUNTED),
        "usage_u32": Form(last(usage(2**32 - 1, 2**32 - 1, 2**32 - 1)), UNCOUNTED),
        "usage_u64": Form(last(usage(2**64 - 1, 2**63, 2**64 - 1)), UNCOUNTED),
        "usage_neg64": Form(last(usage(-(2**63), PROMPT, None)), replace(UNCOUNTED, isl=PROMPT)),
        "usage_1e300": Form(last(usage(1e300, 1e300, 1e300)), UNCOUNTED),
        "usage_fraction": Form(last(usage(20.5, 11.5, 31.5)), UNCOUNTED),
        "usage_true": Form(last(usage(True, True, True)), UNCOUNTED),
        "usage_words": Form(last(usage("many", "some", "all")), UNCOUNTED),
        "usage_lists": Form(last(usage([20], {"n": 11}, [])), UNCOUNTED),
        "usage_is_text": Form(script(end=({**FIN, "usage": "20"}, DONE)), UNCOUNTED),
        "usage_is_list": Form(script(end=({**FIN, "usage": [20]}, DONE)), UNCOUNTED),
        "usage_is_number": Form(script(end=({**FIN, "usage": 20}, DONE)), UNCOUNTED),
        "usage_total_with_cache_read": Form(
            last(usage(total=PROMPT + N + 1000, cache_read_input_tokens=1000)), replace(TRUE, isl=PROMPT + 1000)
        ),
        "usage_total_with_citations": Form(last(usage(total=PROMPT + N + 100, citation_tokens=100))),
        "usage_impossible": Form(last(usage(2_000_000_000)), replace(UNCOUNTED, isl=PROMPT, words="not believed")),
        "usage_impossible_in_every_chunk": Form(
            script([tok(i, usage=usage(2**31 - 1)) for i in range(N)], nothing), replace(UNCOUNTED, isl=PROMPT)
        ),
        "usage_reasoning_impossible": Form(
            last(usage(2_000_000_000, **thought(2_100_000_000))), replace(UNCOUNTED, isl=PROMPT)
        ),
        "usage_total_too_small": Form(last(usage(total=0))),
        "usage_total_with_cached": Form(last(usage(total=PROMPT + N + 5, prompt_tokens_details={"cached_tokens": 5}))),
    }  # fmt: skip
