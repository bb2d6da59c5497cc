"""The click group: a verb's module is imported when the verb is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError
from click.shell_completion import CompletionItem

from srpo_manifest.cli.interrupts import heard, interrupt
from srpo_manifest.cli.verbs import VERBS, overview
from srpo_manifest.errors import UsageError
from srpo_manifest.wording import did_you_mean, listed, ticked


class Verbs(click.Group):
    """Verbs by name, loaded on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every verb."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb *cmd_name*; None where a shell asks for what cannot be completed. Raises: UsageError `unknown-verb`."""
        if cmd_name not in VERBS and ctx.resilient_parsing:
            return None
        if cmd_name not in VERBS:
            raise UsageError(
                "unknown-verb",
                f"unknown verb {ticked(cmd_name)}",
                *did_you_mean(cmd_name, VERBS),
                f"there are {listed(VERBS, 'and')}",
            )
        command: click.Command = import_module(f"srpo_manifest.cli.{cmd_name}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - likewise
        """Verbs; click would import each to tell of it."""
        return [CompletionItem(verb, help=text) for verb, text in VERBS.items() if verb.startswith(incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Call the verb. Click would end with 1 where nobody reads what is printed: that is for `boundary` to judge."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise Unread from error

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002 - likewise
        """The overview, as the fast path prints it."""
        return overview()


class Unread(Exception):
    """Who read our output has gone."""


@click.group(cls=Verbs, add_help_option=True, context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Everything hangs on the verbs."""


def call(arguments: list[str]) -> int:
    """Run a verb. What stands after the first `--` goes to the trainer, untouched by click.

    Raises: UsageError for what click would complain about.
    """
    head, passthrough = _split(arguments)
    with heard(interrupt):
        return _called(head, passthrough)


def _called(head: list[str], passthrough: list[str]) -> int:
    try:
        result: Any = group.main(head, prog_name="srpo-manifest", standalone_mode=False, obj=tuple(passthrough))
    except NoArgsIsHelpError:
        click.echo(overview())
        return 2
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f"`{context.command_path} --help` tells the options" if context else ""
        message = error.format_message().rstrip(".")
        raise UsageError("usage", message[:1].lower() + message[1:], *([hint] if hint else [])) from error
    except Unread as error:
        raise BrokenPipeError from error
    except click.Abort as error:
        raise KeyboardInterrupt from error
    return result if isinstance(result, int) else 0


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]
