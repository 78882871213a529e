"""Hosts, tokens and headers: what keeps others away from a server of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.access_rules import bearer_is, host_name, is_loopback_host, short_token


@pytest.mark.parametrize(
    ("host", "own"),
    [("localhost", True), ("127.8.0.1", True), ("[::1]", True), ("::1", True), ("0.0.0.0", False), ("evil", False)],
)
def test_hosts_of_this_machine(host, own):
    assert is_loopback_host(host) is own


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.example:80", "a.example"), ("[::1]:9464", "::1"), ("[", ""), ("", ""), ("me@localhost", ""), ("x/y", "")],
)
def test_the_name_of_a_host_header(host, name):
    assert host_name(host) == name


@given(st.text())
def test_no_header_is_an_error(text):
    host_name(text)
    is_loopback_host(text)
    assert not bearer_is(text, "0123456789abcdef0")


def test_the_token_is_compared_whole():
    assert bearer_is("bEARER  abc ", "abc")
    assert not any(bearer_is(sent, "abc") for sent in ("abc", "Bearer ab", "Bearer abcd", "Basic abc", ""))
    assert short_token("x" * 15) and not short_token("x" * 16)
