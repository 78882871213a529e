"""The command `paretoken`: one file for each verb, imported when it is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import NoReturn

import rich_click as click
from click.exceptions import NoArgsIsHelpError
from rich_click.rich_panel import RichCommandPanel

from paretoken import __version__
from paretoken.cli.defaults import add_defaults, config_options, origin_of
from paretoken.cli.output import echo, echo_lines
from paretoken.cli.panels import arrange
from paretoken.cli.spellings import respelled, unknown_option
from paretoken.errors import EXIT_USER_ERROR, ParetokenError, nearest

GROUPS: dict[str, dict[str, str]] = {
    "Start": {
        "doctor": "Show what this machine can measure, and what to install.",
        "init": "Write a commented study, campaign, cost, plan or configuration file.",
        "completion": "Print shell completion for bash, zsh or fish.",
    },
    "Measure": {
        "quick": "Find a local server and measure it in one to three minutes.",
        "bench": "Benchmark a live endpoint at increasing load, from one node or many.",
        "report": "Write an HTML report of measured runs.",
        "share": "Print a measured run as a Markdown table.",
        "launch": "Start a model on an engine, or print the exact command.",
        "campaign": "Run a matrix of engines, models, workloads and loads; resumable.",
    },
    "Compare": {
        "study": "Run a whole study: frontiers, prices, verdicts and the report.",
        "compare": "Rank accelerators at one latency, cheapest tokens first.",
        "frontier": "Show the Pareto frontier of each accelerator and engine.",
        "history": "Show how throughput changed over time, and where it changed abruptly.",
        "check": "Compare runs with a baseline; exit code 1 on a regression.",
    },
    "Predict": {
        "predict": "Predict unmeasured configurations, with 90 % intervals.",
        "explain": "Break a prediction down into the terms of its steps.",
        "fit": "Show the fewest GPUs that hold a model, and what fills their memory.",
        "emulate": "Serve an endpoint at the pace of a simulated engine.",
        "calibrate": "Fit the predictor to operating points.",
        "validate": "Cross-validate predictions on held-out data.",
    },
    "Price": {
        "plan": "Plan the cheapest fleet for your traffic within an SLO.",
        "cost": "Price the frontiers: USD per million tokens.",
        "breakeven": "Show the rent at which two accelerators cost the same per token.",
        "tco": "Show the owner's cost of a GPU-hour, bottom up, with its uncertainty.",
        "rent": "Show rental prices by term, their history, and your own.",
        "advise": "Recommend an accelerator, owned or rented, for each buyer segment.",
        "selfhost": "Show the load at which self-hosting beats an API.",
        "outlook": "Project a scenario; show throughput trends.",
    },
    "Trust": {
        "accuracy": "Check that a server still gives the right tokens.",
        "parity": "Show how much of an engine's CUDA testing also runs on ROCm.",
        "verify": "Check a run's hashes, and recompute its figures from the requests.",
        "reproduce": "Print how to repeat a run or a published point.",
        "publish": "Pack a run with its receipt, for others to verify.",
    },
    "Serve": {
        "serve": "Serve the web app and the HTTP API over a folder of runs.",
        "mcp": "Serve every question as a tool of an agent.",
        "ask": "Answer a question in JSON.",
    },
    "Data": {
        "catalog": "List accelerators, models, engines, workloads and TCO sets.",
        "data": "List, verify, install and compare bundles of operating points.",
        "import": "Convert result files of other tools into operating points.",
    },
}
RENAMED = {"fleet": ("Measure", "bench --nodes or --ray"), "ecosystem": ("Trust", "parity overview")}
"""Old verbs that still answer, the group they live in, and what to use now."""

SUMMARIES = {verb: summary for verbs in GROUPS.values() for verb, summary in verbs.items()}
_GROUP_OF = {verb: group for group, verbs in GROUPS.items() for verb in verbs}
_GROUP_OF |= {verb: group for verb, (group, _) in RENAMED.items()}


class Verbs(click.RichGroup):
    """A group whose help imports no verb."""

    _listing = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if self._listing and cmd_name in SUMMARIES:
            return click.RichCommand(name=cmd_name, help=SUMMARIES[cmd_name])
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        if cmd_name not in _GROUP_OF:
            return None
        module = "import_" if cmd_name == "import" else cmd_name
        command: click.Command = import_module(f"paretoken.cli.{_GROUP_OF[cmd_name].lower()}.{module}").command
        arrange(cmd_name, command)
        add_defaults((cmd_name,), command, self)
        self.commands[cmd_name] = command
        return command

    def format_help(self, ctx: click.RichContext, formatter: click.RichHelpFormatter) -> None:  # type: ignore[override]
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            name, command, rest = super().resolve_command(ctx, args)
        except click.UsageError as e:
            close = nearest(args[0], list(SUMMARIES))
            hint = f" Did you mean {close[0]}?" if close else " 'paretoken --help' lists all."
            raise click.UsageError(f"Unknown command {args[0]!r}.{hint}", ctx) from e
        if name is None or command is None:
            return name, command, rest
        rest, note = respelled(name, command, rest)
        if note:
            echo(f"note: {note}", err=True)
        return name, command, rest


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "rich_help_config": {"padding_helptext_first_line": (0, 1, 1, 0)},
    },
    panels=[RichCommandPanel(group, commands=list(verbs)) for group, verbs in GROUPS.items()],
)
@click.version_option(__version__, "-V", "--version", prog_name="paretoken")
@click.pass_context
def paretoken(ctx: click.Context) -> None:
    """Measure, predict and price LLM inference across accelerators.

    \b
    Examples:
      paretoken quick
      paretoken compare --model llama-3-70b --precision fp8 --workload chat \\
                        --e2e 15
      paretoken breakeven --model deepseek-r1 --precision fp8 --workload chat \\
                          --accelerator MI355X --against H200 --rent 2.50
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


paretoken.params += config_options()
arrange("", paretoken)


def main() -> None:
    """Run the command. A user's mistake is one sentence on stderr and exit code 2."""
    try:
        paretoken(standalone_mode=False)
    except ParetokenError as e:
        _exit(f"error: {e.on_command_line}", EXIT_USER_ERROR)
    except NoArgsIsHelpError as e:
        _exit(e.format_message(), EXIT_USER_ERROR)
    except click.NoSuchOption as e:
        where = f" (see '{e.ctx.command_path} --help')" if e.ctx else ""
        _exit(f"error: {unknown_option(e.option_name, e.possibilities or (), _commands())}{where}", EXIT_USER_ERROR)
    except click.UsageError as e:
        where = f" (see '{e.ctx.command_path} --help')" if e.ctx else ""
        if isinstance(e, click.BadParameter) and (origin := origin_of(e)):
            where = f" (from {origin})"
        _exit(f"error: {e.format_message()}{where}", EXIT_USER_ERROR)
    except click.ClickException as e:
        _exit(f"error: {e.format_message()}", EXIT_USER_ERROR)
    except (click.Abort, KeyboardInterrupt):
        _exit("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _commands() -> dict[str, click.Command]:
    """Every verb's command; this imports them all."""
    context = click.Context(paretoken)
    return {verb: command for verb in SUMMARIES if (command := paretoken.get_command(context, verb))}


def _exit(message: str, code: int) -> NoReturn:
    from paretoken.secret_names import without_secrets

    echo_lines(without_secrets(message), err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
