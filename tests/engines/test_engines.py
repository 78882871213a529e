"""The embedded engine, for real; and the supervisor of servers, on children that misbehave on purpose."""

from __future__ import annotations

import http.client
import importlib.metadata
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tokenizers import Tokenizer

from paretoken.engines.embedded import engine as embedded
from paretoken.engines.embedded.engine import EmbeddedEngine, default_threads, usable_cpus
from paretoken.engines.embedded.tiny_model import make_model
from paretoken.engines.probe import completes
from paretoken.engines.process import ServerProcess
from paretoken.errors import BadConfig, EngineFailed

needs_engine = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None and not os.environ.get("CI"), reason="xllamacpp is not installed"
)


def until(true, within_s: float = 5.0) -> bool:
    """Whether `true()` came to hold in time."""
    end = time.monotonic() + within_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(true())


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be collected does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return False


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", textwrap.dedent(code)]


FAMILY = """
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.{term})
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
    print(child.pid, flush=True)
    time.sleep(60)
"""


class TestServerProcess:
    def family(self, folder: Path, term: str = "SIG_DFL") -> ServerProcess:
        """A server with a child of its own, whose process id is in the log once it is ready."""
        return ServerProcess("family", python(FAMILY.format(term=term)), folder / "log")

    def child(self, server: ServerProcess) -> int:
        server.wait_ready(lambda: server.log.read_text().endswith("\n"), 5)
        return int(server.log.read_text())

    def test_stops_with_all_it_started(self, tmp_path):
        with self.family(tmp_path) as server:
            pids = server.pid, self.child(server)
            assert all(map(alive, pids))
            assert os.getpgid(pids[1]) == server.pid != os.getpgid(0)
        assert until(lambda: not any(map(alive, pids)))
        assert not server.running
        server.stop()

    def test_kills_what_will_not_stop(self, tmp_path):
        server = self.family(tmp_path, term="SIG_IGN")
        server.start()
        pids = server.pid, self.child(server)
        server.stop(grace_s=0.2)
        assert until(lambda: not any(map(alive, pids)))

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
    def test_stops_on_any_exception(self, tmp_path, error):
        with pytest.raises(error), self.family(tmp_path) as server:
            pid = server.pid
            raise error
        assert not alive(pid)

    def test_ends_when_we_are_killed(self, tmp_path):
        code = f"""
            import os, signal, sys
            from pathlib import Path
            from paretoken.engines.process import ServerProcess
            server = ServerProcess("family", {python(FAMILY.format(term="SIG_DFL"))!r}, Path({str(tmp_path)!r}) / "log")
            server.start()
            server.wait_ready(lambda: server.log.read_text().endswith("\\n"), 5)
            print(server.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        pids = int(done.stdout), int((tmp_path / "log").read_text())
        assert until(lambda: not any(map(alive, pids)))

    def test_a_fork_stops_nothing(self, tmp_path):
        with self.family(tmp_path) as server:
            fork = os.fork()
            if fork == 0:
                server.stop()
                os._exit(0)
            os.waitpid(fork, 0)
            assert alive(server.pid)

    def test_a_crash_is_told_with_the_last_lines(self, tmp_path):
        code = "for i in range(50): print('line', i, flush=True)\nraise SystemExit('no such model')"
        with ServerProcess("fragile", python(code), tmp_path / "log") as server:
            with pytest.raises(EngineFailed) as told:
                server.wait_ready(lambda: False, 5)
            assert until(lambda: not server.running)
        text = str(told.value)
        assert text.startswith(f"fragile exited with status 1; its log {tmp_path / 'log'} ends with:")
        assert "no such model" in text
        assert "line 49" in text
        assert "line 30" not in text

    def test_a_kill_is_named(self, tmp_path):
        with self.family(tmp_path) as server:
            self.child(server)
            os.kill(server.pid, signal.SIGKILL)
            assert until(lambda: not server.running)
            with pytest.raises(EngineFailed, match=r"was killed by SIGKILL \(was the memory full\?\)"):
                server.check()

    def test_never_ready(self, tmp_path):
        slow = ServerProcess("slow", python("import time; time.sleep(60)"), tmp_path / "log")
        with slow, pytest.raises(EngineFailed, match=r"slow was not ready after 0\.1 s; its log .* is empty"):
            slow.wait_ready(lambda: False, 0.1)

    def test_no_such_program(self, tmp_path):
        with pytest.raises(BadConfig, match=r"cannot start vllm .*check that no-such-program is installed"):
            ServerProcess("vllm", ["no-such-program", "serve"], tmp_path / "log").start()

    def test_environment_is_added(self, tmp_path):
        code = "import os; print(os.environ['PATH'] != '', os.environ['ENGINE'])"
        with ServerProcess("e", python(code), tmp_path / "log", env={"ENGINE": "yes"}) as server:
            assert until(lambda: not server.running)
        assert server.log.read_text() == "True yes\n"

    def test_before_the_start(self, tmp_path):
        server = self.family(tmp_path)
        server.stop()
        with pytest.raises(EngineFailed, match="not started"):
            server.check()


def ask(base_url: str, **body: object) -> tuple[list[dict], float]:
    """The events of a streamed completion and how long it took; the one event of one that is not streamed."""
    url = urlsplit(base_url)
    began = time.monotonic()
    with closing(http.client.HTTPConnection(url.hostname, url.port, timeout=60)) as connection:
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines or [text]], time.monotonic() - began


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"), "tiny")


@pytest.fixture(scope="module")
def engine(model):
    with EmbeddedEngine(model, slots=4, context=500) as engine:
        yield engine


@pytest.fixture(scope="module")
def tokenizer(model):
    return Tokenizer.from_file(str(model.tokenizer))


@needs_engine
class TestEmbeddedEngine:
    def test_ready_soon_and_says_what_it_is(self, engine, model):
        assert 0 < engine.ready_s < 60
        assert engine.context == 512
        assert (engine.model, engine.tokenizer) == ("random-llama-4m", model.tokenizer)
        assert engine.version == f"xllamacpp {importlib.metadata.version('xllamacpp')}"
        assert engine.base_url.startswith("http://127.0.0.1:")
        assert alive(engine.pid)
        engine.check()

    def test_streams_with_usage_and_to_the_full_length(self, engine, tokenizer):
        words = tokenizer.decode(list(range(1000, 1100)))
        events, _ = ask(engine.base_url, model=engine.model, prompt=words, max_tokens=40, stream=True)
        usage = events[-1]["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (100, 40)
        text = "".join(event["choices"][0]["text"] for event in events)
        assert len(tokenizer.encode(text).ids) == 40
        assert {len(w) for w in text.split()} == {4}

    def test_answers_as_vllm_and_transformers_do(self, engine):
        """The greedy answer of vLLM 0.32.0 and of `transformers serve` 5.23.0 (CPU, float32) with make_hf_folder's."""
        prompt = " kamo zera bera giva kese rulo gicu levi"
        [answer], _ = ask(engine.base_url, model=engine.model, prompt=prompt, max_tokens=12, temperature=0)
        assert answer["choices"][0]["text"] == " muta kuno joga tudo vuce riku noca jitu mude pevo cepo duwu"

    @pytest.mark.parametrize("text", ["The quick brown fox (2024)!", "naïve ☃ 漢字\n\ttab  two"])
    def test_counts_as_its_tokenizer_does(self, engine, tokenizer, text):
        [answer], _ = ask(engine.base_url, model=engine.model, prompt=text, max_tokens=1)
        assert answer["usage"]["prompt_tokens"] == len(tokenizer.encode(text).ids)

    def test_takes_token_ids_and_remembers_none(self, engine):
        prompt = list(range(700, 900))
        for _ in range(6):  # more often than there are slots
            [answer], _ = ask(engine.base_url, model=engine.model, prompt=prompt, max_tokens=2)
            assert answer["usage"]["prompt_tokens"] == 200
            assert answer["usage"].get("prompt_tokens_details", {}).get("cached_tokens", 0) == 0
            assert answer["timings"]["prompt_n"] == 200

    def test_a_prompt_that_fills_the_context_of_every_slot(self, engine):
        answers = []
        body = {"model": engine.model, "prompt": [1500] * 448, "max_tokens": 64}
        users = [threading.Thread(target=lambda: answers.append(ask(engine.base_url, **body))) for _ in range(8)]
        for user in users:
            user.start()
        for user in users:
            user.join()
        assert [a["usage"]["completion_tokens"] for [a], _ in answers] == [64] * 8

    def test_metrics(self, engine):
        with closing(http.client.HTTPConnection(urlsplit(engine.base_url).netloc, timeout=30)) as connection:
            connection.request("GET", "/metrics")
            assert b"llamacpp:requests_processing" in connection.getresponse().read()

    def test_probe(self, engine):
        assert completes(engine.base_url, engine.model, 30)
        assert not completes(engine.base_url.replace("/v1", "/v9"), engine.model)
        assert not completes("http://127.0.0.1:9/v1", engine.model)

    def test_stops_and_leaves_nothing(self, model):
        with EmbeddedEngine(model, slots=1) as engine:
            pid, folder = engine.pid, engine.log.parent
            asking = threading.Thread(target=self.ask_in_vain, args=(engine,))
            asking.start()
            time.sleep(0.2)
            began = time.monotonic()
        assert time.monotonic() - began < 30
        asking.join()
        assert not alive(pid)
        assert not folder.exists()
        assert not completes(engine.base_url, engine.model)

    @staticmethod
    def ask_in_vain(engine):
        with suppress(OSError, http.client.HTTPException):
            ask(engine.base_url, model=engine.model, prompt="a", max_tokens=1000)

    def test_a_crash_during_a_run(self, model, tmp_path):
        with EmbeddedEngine(model, slots=1, folder=tmp_path) as engine:
            engine.check()
            os.kill(engine.pid, signal.SIGSEGV)
            with pytest.raises(EngineFailed, match=r"llama\.cpp was killed by SIGSEGV; its log .*engine\.log"):
                assert until(engine.check)
        assert engine.log.exists()

    def test_a_broken_model(self, tmp_path):
        model = make_model(tmp_path, "tiny")
        os.truncate(model.gguf, 100_000)
        with pytest.raises(EngineFailed, match=r"(?s)exited with status 1; .*failed to load model"):
            EmbeddedEngine(model, folder=tmp_path / "run").__enter__()

    def test_ctrl_c_while_it_starts(self, model, monkeypatch):
        pids = []

        def interrupted(process, *_):
            pids.append(process.pid)
            raise KeyboardInterrupt

        monkeypatch.setattr(ServerProcess, "wait_ready", interrupted)
        engine = EmbeddedEngine(model)
        with pytest.raises(KeyboardInterrupt):
            engine.__enter__()
        assert not alive(pids[0])
        assert not engine.log.parent.exists()

    def test_port(self, model):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(BadConfig, match=f"port {port} .* is in use"):
                EmbeddedEngine(model, port=port)
        with EmbeddedEngine(model, slots=1, port=port) as engine:
            assert engine.base_url == f"http://127.0.0.1:{port}/v1"


class TestWithoutEngine:
    def test_the_wheel_is_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "xllamacpp", None)
        with pytest.raises(BadConfig) as told:
            EmbeddedEngine().__enter__()
        assert "pip install 'paretoken[engine]'" in str(told.value)
        assert "URL" in str(told.value)
        assert "\n" not in str(told.value)

    def test_nothing_is_imported_early(self):
        code = "import sys, paretoken.engines; print(sorted(set(sys.modules) & {'xllamacpp', 'gguf', 'tokenizers'}))"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"

    @pytest.mark.parametrize("wrong", [{"slots": 0}, {"slots": 1000}, {"context": 0}, {"threads": 0}, {"port": 70000}])
    def test_bad_arguments(self, wrong):
        with pytest.raises(BadConfig, match=f"{next(iter(wrong))} {next(iter(wrong.values()))} "):
            EmbeddedEngine(**wrong)

    def test_before_the_start(self):
        with pytest.raises(BadConfig, match="context manager"):
            EmbeddedEngine().check()

    def test_cpus(self, tmp_path, monkeypatch):
        quota = tmp_path / "cpu.max"
        quota.write_text("50000 100000\n")
        assert usable_cpus(quota) == 0.5
        quota.write_text("max 100000\n")
        assert usable_cpus(quota) == usable_cpus(tmp_path / "none") >= 1
        for cpus, threads in ((0.5, 1), (2, 1), (3.9, 1), (4, 2), (64, 4)):
            monkeypatch.setattr(embedded, "usable_cpus", lambda cpus=cpus: cpus)
            assert default_threads() == threads
