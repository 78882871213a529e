"""Messages that prompts of different sessions begin with alike, against the prompts written out token by token."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.sessions.graph import NO_STEP, Call, Session, Step
from paretoken.sessions.possible import possible_share, possible_tokens
from paretoken.sessions.prefixes import possible_hits, tree_of_sessions
from tests.sessions.test_prefixes import assert_tree, brute_hits
from tests.support.patience import examples

ROLES = ("system", "user", "tool")


def message(role: str, characters: int, text: str = "x") -> dict[str, str]:
    return {"role": role, "content": text * characters}


def characters(one) -> int:
    """Those of a message of one text, or of definitions of tools by name."""
    return len(one) if isinstance(one, str) else len(one["role"]) + len(one["content"])


def tool(name: str) -> dict[str, str]:
    return {"name": name}


@st.composite
def chats(draw):
    """Sessions of messages out of few, so that many begin alike; a token is a character."""
    sessions = []
    texts = st.builds(message, st.sampled_from(ROLES), st.integers(0, 3), st.sampled_from("ab"))
    for name in range(draw(st.integers(1, 4))):
        steps, ends = [], []
        for i in range(draw(st.integers(1, 4))):
            continues = draw(st.integers(NO_STEP, i - 1))
            tools = tuple(map(tool, draw(st.sampled_from([(), ("ls",), ("ls", "cat")])))) if continues < 0 else ()
            messages = tuple(draw(st.lists(texts, min_size=1, max_size=3)))
            new = sum(len(t["name"]) for t in tools) + sum(map(characters, messages))
            answer = draw(st.none() | st.sampled_from("pq"))
            call = Call(
                input_tokens=new + (ends[continues] if continues >= 0 else 0),
                output_tokens=draw(st.integers(1, 4)) if answer is None else 3,
                continues=continues,
                messages=messages,
                tools=tools,
                answer=None if answer is None else {"content": answer},
            )
            ends.append(call.input_tokens + call.output_tokens)
            steps.append(Step(after=(continues,) if continues >= 0 else (), call=call))
        sessions.append(Session(name=str(name), steps=tuple(steps)))
    return sessions


def written_out(sessions, own_answers):
    """Prompts, and prompts with answers, token by token; own answers in a context lack their last token."""
    prompts, wholes = [], []
    for k, session in enumerate(sessions):
        contexts = []
        for i, call in session.calls.items():
            text = contexts[call.continues] if call.continues >= 0 else ()
            names = tuple(t["name"] for t in call.tools)
            text += tuple(("tools", names, t) for t in range(sum(map(len, names))))
            for n, one in enumerate(call.messages):
                size = characters(one)
                if n == len(call.messages) - 1:
                    size = call.input_tokens - len(text)
                text += tuple((one["role"], one["content"], t) for t in range(size))
            answer = tuple(("answer", k, i, t) for t in range(call.output_tokens))
            prompts.append(text)
            wholes.append(text + answer[:-1])
            name = (k, i) if call.answer is None else call.answer["content"]
            recorded = tuple(("recorded", name, t) for t, _ in enumerate(answer))
            contexts.append(wholes[-1] if own_answers else text + recorded)
    return prompts, wholes


@examples(200)
@given(chats())
def test_equal_messages_of_different_sessions_are_shared(sessions):
    """Recorded answers: contexts are as long as the trace says, so each length is known."""
    tree = tree_of_sessions(sessions, own_answers=False)
    assert_tree(tree, *written_out(sessions, own_answers=False))


@examples(100)
@given(chats(), st.booleans(), st.randoms(), st.integers(1, 5))
def test_possible_is_what_an_endless_cache_of_the_prompts_finds(sessions, own_answers, random, block):
    openings = [Session(name=s.name, steps=s.steps[:1]) for s in sessions]
    prompts, wholes = written_out(openings, own_answers)
    order = list(range(len(openings)))
    random.shuffle(order)
    lengths = np.array([len(p) for p in prompts])
    hits = possible_hits(tree_of_sessions(openings, own_answers=own_answers), order, lengths, block)
    assert hits.tolist() == brute_hits(prompts, wholes, order, block)


def chat(*messages, tokens: int, tools=()) -> Session:
    return Session(name="", steps=(Step(call=Call(input_tokens=tokens, messages=messages, tools=tools)),))


SYSTEM = message("system", 994)


def test_six_sessions_with_one_system_message_find_it_five_times():
    sessions = [chat(SYSTEM, message("user", 96, letter), tokens=275) for letter in "abcdef"]
    assert possible_tokens(sessions).tolist() == [0, *[250] * 5]  # 1,000 of 1,100 characters
    assert possible_share(sessions) == pytest.approx(5 * 250 / (6 * 275))


def test_a_shared_message_is_as_long_as_in_the_prompt_with_the_least_beside_it():
    """1,000 characters are 200 tokens; the text beside them has ten times as many tokens a character."""
    sessions = [chat(SYSTEM, message("user", 996, a), tokens=200 + 2000) for a in "ab"]
    sessions.append(chat(SYSTEM, message("user", 6, "c"), tokens=200 + 20))
    share = round(220 * 1000 / 1010)
    assert possible_tokens(sessions).tolist() == [0, share, share]


def test_tools_come_before_the_messages():
    same, other = (tool("read"),), (tool("write"),)
    sessions = [chat(SYSTEM, message("user", 96, str(n)), tokens=1104, tools=same) for n in range(2)]
    sessions.append(chat(SYSTEM, message("user", 95, "3"), tokens=1104, tools=other))
    assert possible_tokens(sessions).tolist() == [0, 1004, 0]


def test_equal_prompts_find_all_but_the_last_token():
    sessions = [chat(SYSTEM, tokens=100), chat(SYSTEM, tokens=100), chat(SYSTEM, tokens=90), chat(SYSTEM, tokens=120)]
    assert possible_tokens(sessions).tolist() == [0, 99, 89, 100]


def test_a_part_of_a_context_is_another_text():
    steps = (
        Step(call=Call(input_tokens=1000, output_tokens=10, messages=(SYSTEM,))),
        Step(after=(0,), call=Call(input_tokens=1100, continues=0, messages=(message("user", 86),))),
        Step(after=(0,), call=Call(input_tokens=600, continues=0, kept_tokens=510, messages=(message("user", 86),))),
        Step(after=(0,), call=Call(input_tokens=1100, continues=0, kept_tokens=5000, messages=(message("user", 86),))),
    )
    assert possible_tokens([Session(name="", steps=steps)], own_answers=False).tolist() == [0, 1000, 510, 1099]


def test_an_image_in_a_message_counts_no_characters():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    first = {"role": "user", "content": [{"type": "text", "text": "x" * 96}, image]}
    sessions = [chat(first, message("user", 96, letter), tokens=200) for letter in "ab"]
    hits = possible_tokens(sessions)[1]
    assert hits == pytest.approx(100 + 13, abs=8)  # "text" and "image_url", the types of its parts


@pytest.mark.parametrize("odd", ["\ud800", ""])
def test_odd_texts_are_compared_like_others(odd):
    sessions = [chat({"role": "user", "content": odd}, tokens=5) for _ in range(2)]
    assert possible_tokens(sessions).tolist() == [0, 4]
