"""`paretoken completion`: the shell completion script."""

from __future__ import annotations

import rich_click as click
from click.shell_completion import get_completion_class


@click.command("completion", no_args_is_help=True)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell. It completes verbs, options, models, accelerators and engines.

    \b
    Examples:
      echo 'eval "$(paretoken completion bash)"' >> ~/.bashrc
      echo 'eval "$(paretoken completion zsh)"' >> ~/.zshrc
      paretoken completion fish > ~/.config/fish/completions/paretoken.fish
    """
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"Unknown shell {shell!r}; use bash, zsh or fish")
    click.echo(script(context.find_root().command, {}, "paretoken", "_PARETOKEN_COMPLETE").source())
