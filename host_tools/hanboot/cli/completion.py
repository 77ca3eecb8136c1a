"""`hanboot completion`: what a shell needs to complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from hanboot import terminal

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what completes commands in bash, zsh or fish.

    \b
    bash:
      hanboot completion bash > ~/.local/share/bash-completion/completions/hanboot
    zsh:
      hanboot completion zsh > DIR/_hanboot, where DIR is in fpath before compinit
    fish:
      hanboot completion fish > ~/.config/fish/completions/hanboot.fish

    A new shell completes then.
    """
    from hanboot.cli import main

    kind = get_completion_class(shell)
    assert kind is not None
    terminal.write(kind(main, {}, "hanboot", "_HANBOOT_COMPLETE").source())
