"""The command `paretoken`: one file for each verb, loaded when it is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from paretoken import __version__
from paretoken.errors import EXIT_USER_ERROR, ParetokenError

VERBS = {
    "study": "Run a whole study: frontiers, prices, verdicts and the report.",
    "compare": "Rank accelerators at one latency, cheapest tokens first.",
    "frontier": "Show the Pareto points of each accelerator and engine.",
    "cost": "Price the frontiers: USD per million tokens.",
    "breakeven": "Show the rent at which one accelerator equals another.",
    "predict": "Predict what nobody has measured, with 90 % intervals.",
    "explain": "Show where a predicted step's time goes.",
    "calibrate": "Fit the predictor to operating points.",
    "validate": "Show how far predictions are off what they have not seen.",
    "tco": "What a GPU-hour costs its owner, from the bottom up, and how sure that is.",
    "rent": "What renting costs: the market by term, its history, your own prices.",
    "advise": "Say who should get which accelerator in which way.",
    "selfhost": "Say from which load serving oneself beats an API.",
    "outlook": "Play a scenario through; show how dated runs moved.",
    "bench": "Measure a live endpoint under ever more load.",
    "launch": "Serve a model with an engine, or print the exact command.",
    "campaign": "Run a matrix of engines, models, workloads and loads; resumable.",
    "fleet": "Measure an endpoint with load from many nodes.",
    "history": "Show how throughput changed over time, and where it stepped.",
    "check": "Compare with a baseline; exit code 1 for a regression.",
    "report": "Make an HTML page of measured runs.",
    "share": "Print a measured run as a Markdown table for an issue.",
    "quick": "Find a local server and say in a minute how it does.",
    "emulate": "Serve an endpoint at the pace of a simulated engine.",
    "import": "Turn result files of other tools into operating points.",
    "parity": "Measure how much of an engine's CUDA testing also runs on ROCm.",
    "accuracy": "Find out whether a server still gives the right tokens.",
    "ecosystem": "Show CI coverage over time and accuracy verdicts together.",
    "catalog": "List what is known: accelerators, models, engines, workloads, prices.",
}

_GROUPS = {
    "compare": ("study", "compare", "frontier", "history", "check"),
    "predict": ("predict", "explain", "calibrate", "validate", "emulate"),
    "price": ("cost", "breakeven", "tco", "rent", "advise", "selfhost", "outlook"),
    "measure": ("bench", "launch", "campaign", "fleet", "report", "share", "quick"),
    "trust": ("parity", "accuracy", "ecosystem"),
    "data": ("import", "catalog"),
}
_FOLDERS = {verb: group for group, verbs in _GROUPS.items() for verb in verbs}


class Verbs(click.Group):
    """A group whose help needs no verb loaded."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        return import_module(f"paretoken.cli.{_FOLDERS[name]}.{'import_' if name == 'import' else name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]):
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            from paretoken.errors import nearest

            hint = nearest(args[0], list(VERBS))
            raise click.UsageError(
                f"no command {args[0]!r}" + (f"; did you mean {hint[0]}?" if hint else ""), ctx
            ) from e


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="paretoken")
def paretoken() -> None:
    """Measure, predict and price LLM inference across accelerators.

    \b
    Examples:
      paretoken study --out results
      paretoken compare --model llama-3-70b --precision fp8 --isl 1024 --osl 1024 --e2e 15
      paretoken breakeven --model deepseek-r1 --precision fp8 --workload chat \\
                          --accelerator MI355X --against H200 --rent 2.50
    """


def main() -> None:
    """Run the command; a user's mistake is one sentence on stderr and exit code 2."""
    try:
        paretoken(standalone_mode=False)
    except ParetokenError as e:
        _leave(f"error: {e}", EXIT_USER_ERROR)
    except click.UsageError as e:
        where = f" (see '{e.ctx.command_path} --help')" if e.ctx else ""
        _leave(f"error: {e.format_message()}{where}", EXIT_USER_ERROR)
    except click.ClickException as e:
        _leave(f"error: {e.format_message()}", EXIT_USER_ERROR)
    except (click.Abort, KeyboardInterrupt):
        _leave("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _leave(message: str, code: int) -> None:
    click.echo(message, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
