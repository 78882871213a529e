"""Streams of OpenAI's Responses: named events, items, counts at the end, no end mark."""

from __future__ import annotations

from dataclasses import replace

from tests.support.stream_forms.messages import named
from tests.support.stream_forms.writing import (
    FIRST_MS,
    ONE_PIECE,
    PROMPT,
    TRUE,
    UNCOUNTED,
    Form,
    Json,
    N,
    Pieces,
    line,
    rewritten,
    script,
)


def usage(output: int = N, reasoning: int = 0) -> Json:
    return {
        "input_tokens": PROMPT,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": PROMPT + output,
    }


def response(status: str, **fields: object) -> Json:
    return {"id": "r", "object": "response", "status": status, "error": None, "incomplete_details": None, **fields}


def of_response(status: str, **fields: object) -> Json:
    return {"type": f"response.{status}", "sequence_number": 1, "response": response(status, **fields)}


def piece(name: str, text: object, index: int = 0, number: int = 1) -> Json:
    kind = f"response.{name}.delta"
    return {"type": kind, "sequence_number": number, "item_id": "i", "output_index": index, "delta": text}


def added(index: int, **item: object) -> Json:
    return {"type": "response.output_item.added", "output_index": index, "item": {"id": f"i{index}", **item}}


BEFORE = (of_response("created"), of_response("in_progress"), added(0, type="message", role="assistant", content=[]))
TEXT = "".join(f" w{i}" for i in range(N))
MESSAGE: Json = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": TEXT}]}
COMPLETED = of_response("completed", usage=usage(), output=[MESSAGE])
DONE_TEXT: Json = {"type": "response.output_text.done", "output_index": 0, "text": TEXT}
END = (DONE_TEXT, {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}, COMPLETED)


def stream(
    tokens: list[Json] | None = None, end: tuple[object, ...] = END, before: tuple[object, ...] = BEFORE
) -> Pieces:
    texts = [piece("output_text", f" w{i}", number=i) for i in range(N)]
    return script(tokens or texts, end, before, write=named)


def tools() -> list[Json]:
    tokens: list[Json] = []
    for index in range(2):
        tokens.append(added(index, type="function_call", call_id=f"c{index}", name="read", arguments=""))
        tokens += [piece("function_call_arguments", part, index) for part in ('{"path":"', *"abcdef", '"', "}")]
    return tokens


def reasoning(name: str) -> list[Json]:
    return [piece(name, f" t{i}") for i in range(10)] + [piece("output_text", f" w{i}", 1) for i in range(10)]


def forms() -> dict[str, Form]:
    incomplete = of_response("incomplete", usage=usage(), incomplete_details={"reason": "max_output_tokens"})
    broken = of_response("failed", error={"code": "server_error", "message": "no memory left"})
    failed = replace(TRUE, status="in_band_error", words="no memory left")
    error: Json = {"type": "error", "code": "server_error", "message": "no memory left", "param": None}
    return {
        "responses": Form(stream()),
        "responses, CRLF": Form(rewritten(lambda data: data.replace(b"\n", b"\r\n"), stream())),
        "responses, comments": Form(rewritten(lambda data: b": keep-alive\n\n" + data, stream())),
        "responses, without event names": Form(rewritten(lambda data: data[data.index(b"data:") :], stream())),
        "responses, [DONE] at the end": Form(stream(end=(*END, b"data: [DONE]\n\n"))),
        "responses, at the limit": Form(stream(end=(incomplete,))),
        "responses, tools in parallel": Form(stream(tools(), (COMPLETED,), BEFORE[:2])),
        "responses, reasoning": Form(
            stream(reasoning("reasoning_text"), (of_response("completed", usage=usage(reasoning=10)),))
        ),
        "responses, a summary of reasoning": Form(
            stream(reasoning("reasoning_summary_text"), (of_response("completed", usage=usage(reasoning=10)),))
        ),
        "responses, hidden reasoning": Form(
            stream(end=(of_response("completed", usage=usage(N + 30, reasoning=30)),)),
            replace(TRUE, osl=N + 30, hidden=30),
        ),
        "responses, a refusal": Form(stream([piece("refusal", f" w{i}") for i in range(N)])),
        "responses, no counts": Form(stream(end=(of_response("completed"),)), UNCOUNTED),
        "responses, the answer at the end only": Form(
            script([COMPLETED], (), BEFORE[:2], write=named), replace(ONE_PIECE)
        ),
        "responses, an event of tomorrow": Form(stream(before=(*BEFORE, {"type": "response.magic", "magic": 7}))),
        "responses, cut": Form(stream(end=()), replace(TRUE, status="truncated")),
        "responses, failed": Form(stream(end=(broken,)), failed),
        "responses, an error": Form(stream(end=(error,)), failed),
        "responses, cancelled": Form(
            stream(end=(of_response("cancelled"),)), replace(TRUE, status="in_band_error", words="cancelled")
        ),
        "responses, whole": Form(
            [(FIRST_MS, line(response("completed", output=[MESSAGE], usage=usage())))], ONE_PIECE, "application/json"
        ),
        "responses, whole and failed": Form(
            [(FIRST_MS, line(response("failed") | {"error": {"message": "no memory left"}}))],
            failed,
            "application/json",
        ),
        "responses, a delta that is a number": Form(
            [(20, named(BEFORE[0])), (100, named(piece("output_text", 7)))],
            replace(TRUE, status="malformed", words="delta is a number"),
        ),
    }
