"""Forms in which inference servers stream an answer, each with what a client must make of it.

Unless a form says otherwise its truth is 20 output tokens for 11 of the prompt, the first 100 ms after the request and
one every 10 ms, so TTFT is 100 ms, TPOT 10 ms and E2E 290 ms.
"""

from __future__ import annotations

from tests.support.stream_forms import content, errors, messages, responses, transport, usages
from tests.support.stream_forms.writing import Form

FORMS: dict[str, Form] = {
    **transport.forms(),
    **content.forms(),
    **content.forms_with_reasoning(),
    **usages.forms(),
    **errors.forms(),
    **messages.forms(),
    **responses.forms(),
}
