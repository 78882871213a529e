"""The path of each API."""

from __future__ import annotations

from paretoken.emulate.surfaces.chat import Chat
from paretoken.emulate.surfaces.completions import Completions
from paretoken.emulate.surfaces.messages import Messages
from paretoken.emulate.surfaces.responses import Responses
from paretoken.emulate.surfaces.surface import Surface

SURFACES: dict[str, type[Surface]] = {
    "/v1/completions": Completions,
    "/v1/chat/completions": Chat,
    "/v1/messages": Messages,
    "/v1/responses": Responses,
}
