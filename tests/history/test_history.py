"""Series of published points, and regressions against a baseline: planted ones, pure noise, and by the commands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import polars as pl
import pytest

from paretoken.answers.check import CheckQuestion, check
from paretoken.errors import NoData
from paretoken.frontier.pareto import pareto
from paretoken.history.at_latency import changes, curve
from paretoken.history.run_curves import RunCurve, read_curves
from paretoken.history.series import series_at_latency, series_at_load
from paretoken.points.published import published_points
from tests.support.runs import ladder


@pytest.fixture(scope="module")
def rows():
    return published_points().filter((pl.col("model") == "deepseek-r1") & pl.col("suspicious").is_null())


class TestPublishedSeries:
    def test_a_known_leap(self, rows):
        """SGLang on MI355X doubled between two runs of December 2025, at every load."""
        found = [
            s
            for s in series_at_load(rows)
            if (s.of["accelerator"], s.of["engine"], s.of["precision"], s.of["isl"], s.of["osl"])
            == ("MI355X", "sglang", "fp8", 1024, 1024)
            and len(s.dates) == 12
        ]
        assert {s.of["concurrency"] for s in found} == {4.0, 16.0, 64.0}
        for s in found:
            assert ("2025-12-12", "2025-12-13") in [(step.last_date_before, step.date) for step in s.steps]
            assert s.steps[0].change > 0.5

    def test_dates_rise_and_are_single_days(self, rows):
        for s in series_at_load(rows):
            assert list(s.dates) == sorted(set(s.dates)) and len(s.dates) >= 4
            assert all(len(d) == 10 for d in s.dates)

    def test_at_latency_nothing_is_extrapolated(self, rows):
        at = series_at_latency(rows, "interactivity", 30.0)
        assert at
        for s in at:
            for date, value in zip(s.dates, s.values, strict=True):
                of_day = rows.filter(
                    (pl.col("date") == date)
                    & (pl.col("accelerator") == s.of["accelerator"])
                    & (pl.col("engine") == s.of["engine"])
                    & (pl.col("precision") == s.of["precision"])
                    & (pl.col("isl") == s.of["isl"])
                    & (pl.col("osl") == s.of["osl"])
                )
                assert value <= of_day["tput_per_gpu"].max() + 1e-9

    def test_by_the_command(self, call):
        code, out, _ = call(
            "history --model deepseek-r1 --accelerator MI355X --precision fp8 --workload chat --steps-only"
        )
        assert code == 0 and "between 2025-12-12 and 2025-12-13" in out
        code, out, _ = call("history --model deepseek-r1 --accelerator B200 --precision fp8 --interactivity 40 --json")
        assert code == 0 and all(len(s["dates"]) == len(s["values"]) >= 4 for s in orjson.loads(out)["series"])

    @pytest.mark.parametrize(
        ("line", "match"),
        [
            ("history --model llama-3-70b --accelerator H100 --precision fp4", "has results of 4 different days"),
            ("history --model deepseek-r1 --e2e 5 --interactivity 40", "not both"),
            ("history --model deepsek", "unknown model"),
        ],
    )
    def test_mistakes(self, call, line, match):
        code, _, err = call(line)
        assert code == 2 and match in err


OF = ("H200", "vllm", "llama-3-70b", "fp8", None, 1024, 1024, "measured")


def run(seed: int, factor: float = 1.0, between: float = 0.0, within: float = 0.005) -> RunCurve:
    """One run of a known curve: 100·n^0.7 tok/s at 0.1·n^0.5 s, with noise between runs and within levels."""
    rng = np.random.default_rng(seed)
    n = 2.0 ** np.arange(8)
    shift = factor * np.exp(rng.normal(0, between))
    tok_s, latency_s = 100 * n**0.7 * shift, 0.1 * n**0.5
    return RunCurve(
        folder=None,
        of=OF,
        latency_s=latency_s * np.exp(rng.normal(0, within, 8)),
        latency_se_s=latency_s * within,
        tok_s=tok_s * np.exp(rng.normal(0, within, 8)),
        tok_s_se=tok_s * within,
    )


class TestRegression:
    def test_the_curve_is_the_frontiers(self):
        """Our quick curve against that of the frontier: same Pareto points, same values."""
        rng = np.random.default_rng(1)
        x, y = np.sort(rng.uniform(1, 10, 12)), rng.uniform(1, 10, 12)
        table = pl.DataFrame(
            {"accelerator": "a", "engine": "e", "origin": "measured", "software": "1", "e2e_s": x, "tput_per_gpu": y}
        )
        front = pareto(table, "e2e_s", "tput_per_gpu")
        from scipy.interpolate import PchipInterpolator

        spline = PchipInterpolator(front["e2e_s"], front["tput_per_gpu"])
        for at in np.linspace(front["e2e_s"][0], front["e2e_s"][-1], 9):
            assert curve(x, y, float(at)) == pytest.approx(float(spline(at)))
        assert np.isnan(curve(x, y, 0.5)) and np.isnan(curve(x, y, 99.0))

    def test_a_drop_beyond_noise(self):
        before, after = [run(s) for s in (1, 2, 3)], [run(s, 0.9) for s in (4, 5)]
        found = changes(before, after, "e2e", [0.3, 0.6])
        assert all(c.regression for c in found) and len(found) == 2
        for c in found:
            assert c.low < -0.10 + 0.02 and c.change == pytest.approx(-0.1, abs=0.02)
            assert str(c).startswith("REGRESSION: H200 vllm llama-3-70b fp8 1024/1024 at 0.")

    def test_a_rise_is_none(self):
        assert not any(c.regression for c in changes([run(1)], [run(2, 1.2)], "e2e"))

    def test_a_drop_that_is_allowed(self):
        found = changes([run(1, within=0.001)], [run(2, 0.96, within=0.001)], "e2e", [0.4], allowed=0.05)
        assert not found[0].regression and found[0].change == pytest.approx(-0.04, abs=0.01)

    def test_equal_runs_raise_no_alarm(self, monkeypatch):
        """Runs that spread by 3 % between each other: some 1 of 25 may be a false alarm where none is allowed.

        The ends of the interval, 5 % and 95 %, need no thousand draws.
        """
        monkeypatch.setattr("paretoken.history.at_latency.DRAWS", 250)
        alarms = sum(
            any(
                c.regression
                for c in changes(
                    [run(9 * k + i, between=0.03) for i in range(4)],
                    [run(9 * k + i + 4, between=0.03) for i in range(4)],
                    "e2e",
                    [0.5],
                )
            )
            for k in range(25)
        )
        assert alarms <= 3

    def test_the_spread_between_runs_counts(self):
        """A drop of 4 % is beyond the noise within runs and not beyond that between them."""
        narrow = changes([run(1), run(2)], [run(3, 0.95), run(4, 0.95)], "e2e", [0.5])
        wide = changes([run(1, 0.9), run(2, 1.1)], [run(3, 0.85), run(4, 1.05)], "e2e", [0.5])
        assert narrow[0].regression and not wide[0].regression

    def test_interactivity_is_in_its_unit(self):
        (c,) = changes([run(1)], [run(2, 0.8)], "interactivity", [2.5])
        assert c.at == pytest.approx(2.5) and "at 2.5 tok/s/user" in str(c)

    def test_nothing_in_common(self):
        other = replace(run(2), of=("B200", *OF[1:]))
        with pytest.raises(NoData, match=r"no configuration in common: H200 .* against B200"):
            changes([run(1)], [other], "e2e")
        with pytest.raises(NoData, match="overlap too little"):
            changes([run(1)], [run(2)], "e2e", [99.0])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [ladder(folder / f"run{seed}", (4, 8, 16), seed=seed) for seed in range(2)]


class TestCheckCommand:
    def slower(self, run, folder, factor=0.8):
        """The same run with every throughput and interval scaled, as summaries have them."""
        import shutil

        shutil.copytree(run, folder)
        for file in folder.glob("levels/*/summary.json"):
            summary = orjson.loads(file.read_bytes())
            for key in ("total_tok_s", "total_tok_s_per_gpu"):
                summary["throughput"]["window"][key] *= factor
            for end in ("value", "low", "high"):
                summary["intervals"]["total_tok_s"][end] *= factor
            file.write_bytes(orjson.dumps(summary))
        return folder

    def test_equal(self, runs, call):
        code, out, _ = call(f"check {runs[0]} --baseline {runs[1]}")
        assert code == 0 and "0 of 3 comparisons regressed" in out

    def test_slower_is_exit_code_1_with_the_figure(self, runs, tmp_path, call):
        slow = self.slower(runs[0], tmp_path / "slow")
        code, out, err = call(f"check {slow} --baseline {runs[0]} --baseline {runs[1]}")
        assert code == 1 and "REGRESSION: H200 vllm llama-3-70b fp8 1024/1024" in out and "-20" in out
        assert "one run does not show" in err
        code, out, _ = call(f"check {slow} --baseline {runs[0]} --json")
        assert code == 1 and all(c["regression"] for c in orjson.loads(out))
        code, _, _ = call(f"check {slow} --baseline {runs[0]} --allow 30%")
        assert code == 0

    @pytest.mark.parametrize(
        ("line", "match"),
        [
            ("check nowhere --baseline {0}", "holds no run"),
            ("check {0}", "--baseline"),
            ("check {0} --baseline {1} --e2e 999", "overlap too little"),
            ("check {0} --baseline {1} --allow 2", "between 0 and 100 %"),
        ],
    )
    def test_mistakes(self, runs, call, line, match):
        code, _, err = call(line.format(*runs))
        assert code == 2 and match in err

    def test_runs_too_short_for_an_interval(self, tmp_path):
        run = ladder(tmp_path / "run", (4,))
        for file in run.glob("levels/*/summary.json"):
            summary = orjson.loads(file.read_bytes())
            summary["intervals"]["total_tok_s"] = None
            file.write_bytes(orjson.dumps(summary))
        assert read_curves([run], "e2e") == []
        with pytest.raises(NoData, match="is long enough for an interval"):
            check(CheckQuestion(runs=(run,), baselines=(run,), at="latency"))
        answer = check(CheckQuestion(runs=(run,), baselines=(run,)))
        assert answer.comparison and answer.why_at_load == "no level of a side is long enough for a curve"
