"""Campaigns that cannot begin or go on: changed files, other processes, ports in use, wrong commands."""

from __future__ import annotations

import orjson
import pytest

from paretoken.campaign.run import begin, go, reopen
from paretoken.campaign.state import locked
from paretoken.engines.ports import free_port
from paretoken.errors import BadConfig, BadFile, CannotWrite
from tests.support.tiny_campaigns import TINY, write


class TestMistakes:
    def test_a_file_that_has_changed(self, tmp_path):
        file = write(tmp_path)
        folder = begin(file, tmp_path / "out")
        file.write_text(TINY.replace("12 requests", "13 requests"))
        with pytest.raises(BadConfig, match="has changed since"):
            reopen(folder.folder)
        file.write_text("# only a comment\n" + TINY)
        reopen(folder.folder)
        file.unlink()
        reopen(folder.folder)

    def test_begun_twice(self, tmp_path):
        begin(write(tmp_path), tmp_path / "out")
        with pytest.raises(CannotWrite, match="campaign resume"):
            begin(write(tmp_path), tmp_path / "out")

    def test_two_at_once(self, tmp_path):
        folder = begin(write(tmp_path), tmp_path / "out")
        with folder.running_alone(), pytest.raises(BadConfig, match="another process runs"):
            go(folder)

    def test_a_port_in_use(self, tmp_path):
        import socket

        port = free_port()
        file = write(tmp_path, TINY + f"port = {port}\n")
        with socket.create_server(("127.0.0.1", port)), pytest.raises(BadConfig, match=f"port {port} is in use"):
            begin(file, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_no_campaign_there(self, tmp_path):
        with pytest.raises(BadFile, match="has no campaign"):
            reopen(tmp_path)

    def test_a_later_version(self, tmp_path):
        folder = begin(write(tmp_path), tmp_path / "out")
        about = folder.record() | {"schema_version": 99}
        (folder.folder / "campaign.json").write_bytes(orjson.dumps(about))
        with pytest.raises(BadFile, match="newer version"):
            folder.jobs()

    def test_no_such_job(self, tmp_path):
        with pytest.raises(BadConfig, match="has jobs 1 to 2, not 9"):
            begin(write(tmp_path), tmp_path / "out").job(9)

    @pytest.mark.parametrize(
        ("line", "match"),
        [
            ("campaign run no.toml", "does not exist"),
            ("campaign resume nowhere", "has no campaign"),
            ("campaign status nowhere", "has no campaign"),
        ],
    )
    def test_by_the_command(self, call, line, match):
        code, _, err = call(line)
        assert code == 2 and match in err and err.count("\n") == 1

    def test_dry_run_starts_and_writes_nothing(self, call, tmp_path):
        code, out, _ = call(f"campaign run {write(tmp_path)} --dry-run --json")
        found = orjson.loads(out)
        assert code == 0 and found["points"] == 9 and len(found["jobs"]) == 2
        assert call(f"campaign run {write(tmp_path)} --dry-run")[1].endswith(
            "\n2 server starts, 9 points, no time estimate\n"
        )
        assert not (tmp_path / "tiny").exists()


def test_locks_end_with_their_holder(tmp_path):
    with locked(tmp_path / "lock", 0) as got:
        assert got
        with locked(tmp_path / "lock", 0.05) as again:
            assert not again
    with locked(tmp_path / "lock", 0) as got:
        assert got
