"""The gate of commands that send an image by hand: upgrade, upload, hub offer, matrix --port.

Which registry binds is stated on the command line or in the environment. What lies in a folder
does not decide: the author of a folder could lift a ban with it, or impose one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from hanboot.cli.arguments import FilePath

if TYPE_CHECKING:
    from hanboot.device.client import Device
    from hanboot.image.ota_file import Image
    from hanboot.inventory.gate import Override, Permits, Sending

_Command = TypeVar("_Command", bound=Callable[..., Any])

_BINDING = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


permit_option = click.option(
    "--permit",
    "permits",
    type=FilePath(),
    multiple=True,
    metavar="FILE",
    help="The DSP's permit for an image and a device, where local updates are banned. Repeatable.",
)


def gate_options(command: _Command) -> _Command:
    """--permit, and --override-ban with --author and --reason; the command gets a `gate` that uses
    --registry."""

    @functools.wraps(command)
    @click.pass_context
    def gated(
        ctx: click.Context,
        /,
        *given: Any,
        permits: tuple[Path, ...],
        override_ban: bool,
        author: str | None,
        reason: str | None,
        **more: Any,
    ) -> Any:
        url = more.get("registry")
        is_binding = url and ctx.get_parameter_source("registry") in _BINDING
        binding = url if is_binding else None
        gate = Gate(str(ctx.info_name), binding, permits, override_ban, author, reason)
        return command(*given, gate=gate, **more)

    for option in reversed(_OPTIONS):
        gated = option(gated)
    return gated  # type: ignore[return-value]


_OPTIONS = (
    permit_option,
    click.option(
        "--override-ban",
        is_flag=True,
        help="Send it although local updates are banned; recorded with --author and --reason.",
    ),
    click.option("--author", envvar="HANBOOT_AUTHOR", help="With --override-ban: who does so."),
    click.option("--reason", help="With --override-ban: why."),
)


def _user() -> str:
    import getpass

    return getpass.getuser()


class Gate:
    """What must hold before an image is sent, if a registry binds.

    Args:
        command: that sends, for the record.
        url: of the registry that binds; None if none does.
        permits: files that lift its ban for what they name.
    """

    def __init__(
        self,
        command: str,
        url: str | None,
        permits: Sequence[Path],
        is_overridden: bool,
        author: str | None,
        reason: str | None,
    ) -> None:
        for flag, is_given in (("--override-ban", is_overridden), ("--permit", permits)):
            if is_given and url is None:
                raise click.UsageError(f"{flag} requires --registry, or HANBOOT_REGISTRY")
        if is_overridden and permits:
            raise click.UsageError("--permit and --override-ban exclude each other")
        if (is_overridden and not reason) or (reason and not is_overridden):
            raise click.UsageError("--override-ban requires --reason, and the other way round")
        self._command = command
        self._url = url
        self._permits = tuple(permits)
        self._by = (author or _user(), reason or "") if is_overridden else None

    @contextlib.contextmanager
    def sending(
        self, device: Device, image: Image | bytes, name: str | None = None
    ) -> Iterator[Sending | None]:
        """Around the sending of one image; yields None where no registry binds.

        Args:
            image: the image, or its octets.
            name: of it, for messages.

        Raises:
            GateRefused: it may not be sent.
        """
        if self._url is None:
            yield None
            return
        # imported late: what talks to a device needs no database where none binds
        from hanboot.cli.registry_options import opened
        from hanboot.image import ota_file
        from hanboot.inventory import gate

        loaded = ota_file.load(image) if isinstance(image, bytes) else image
        if name:
            loaded = dataclasses.replace(loaded, name=name)
        with (
            opened(self._url) as registry,
            gate.sending(registry, loaded, device.identity(), self._command, self._lift()) as sent,
        ):
            yield sent

    def _lift(self) -> Override | Permits | None:
        from hanboot.inventory import gate
        from hanboot.inventory.gate import permit

        if self._permits:
            return gate.Permits(tuple(permit.load(path) for path in self._permits))
        return gate.Override(*self._by) if self._by else None
