"""The options of TLS that commands have which send and receive: files, and a certificate that is expected."""

from __future__ import annotations

import functools
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TlsFiles", "client_options", "client_tls", "server_options", "server_tls"]

_F = TypeVar("_F", bound="Callable[..., Any]")
_PEM = click.Path(exists=True, dir_okay=False)
_PIN = re.compile(r"(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")


class TlsFiles(NamedTuple):
    """What the options say; empty: not given."""

    ca: str
    cert: str
    key: str
    fingerprint: str = ""
    wanted: bool = False
    """Whether TLS is spoken."""


def server_options(function: _F) -> _F:
    """`--cert`, `--key` and `--ca`, given to the command as `tls`."""

    @functools.wraps(function)
    def collected(*args: Any, ca: str, cert: str, key: str, **kwargs: Any) -> Any:  # noqa: ANN401 - click's
        if bool(cert) != bool(key) or (ca and not cert):
            raise click.UsageError("--cert and --key go together, and --ca needs both")
        return function(*args, tls=TlsFiles(ca, cert, key, wanted=bool(cert)), **kwargs)

    about = "Only senders whose certificate one of these authorities has signed may connect (PEM)."
    return cast("_F", _files(collected, about, "TLS, with this certificate (PEM)."))


def client_options(function: _F) -> _F:
    """`--tls`, `--ca`, `--cert`, `--key` and `--fingerprint`, given to the command as `tls`."""

    @functools.wraps(function)
    def collected(*args: Any, ca: str, cert: str, key: str, fingerprint: str, tls: bool, **kwargs: Any) -> Any:  # noqa: ANN401 - click's
        if bool(cert) != bool(key):
            raise click.UsageError("--cert and --key go together")
        if fingerprint and not _PIN.fullmatch(fingerprint):
            raise click.BadParameter("it has 32 bytes in hexadecimal digits", param_hint="--fingerprint")
        wanted = bool(tls or ca or cert or fingerprint)
        return function(*args, tls=TlsFiles(ca, cert, key, fingerprint, wanted), **kwargs)

    pin = "TLS; the receiver's certificate is the one with this SHA-256, whoever signed it and whatever its name."
    option = click.option("--fingerprint", default="", metavar="HEX", help=pin)
    with_files = _files(option(collected), "TLS; these authorities sign the receiver's certificate (PEM).",
                        "Our certificate, for a receiver that asks for one (PEM).")  # fmt: skip
    plain = click.option("--tls", is_flag=True, help="TLS; the receiver's certificate is signed by a public authority.")
    return cast("_F", plain(with_files))


def _files(function: Any, about_ca: str, about_cert: str) -> Any:  # noqa: ANN401 - click's decorators
    for name, about in (("--key", "Its private key (PEM, no password)."), ("--cert", about_cert), ("--ca", about_ca)):
        function = click.option(name, type=_PEM, metavar="FILE", help=about, callback=_or_empty)(function)
    return function


def _or_empty(_: object, __: object, value: str | None) -> str:
    return value or ""


def server_tls(files: TlsFiles) -> ssl.SSLContext | None:
    """None: nothing is encrypted."""
    if not files.wanted:
        return None
    from casecart.runtime.tls import ServerTls, server_context  # noqa: PLC0415 - the plain way needn't load it
    from casecart.workspace import Secret, Text  # noqa: PLC0415 - the same

    tls = ServerTls(
        certificate=Text(files.cert),
        private_key=Secret(file=files.key),
        authorities=Text(files.ca) if files.ca else None,
    )
    return _made(server_context, tls)


def client_tls(files: TlsFiles) -> ssl.SSLContext | None:
    """None: nothing is encrypted. Where a fingerprint is expected, it is looked at after the handshake."""
    if not files.wanted:
        return None
    from casecart.runtime.certificate import Identity  # noqa: PLC0415 - the same
    from casecart.runtime.tls import ClientTls, client_context  # noqa: PLC0415 - the same
    from casecart.workspace import Secret, Text  # noqa: PLC0415 - the same

    tls = ClientTls(
        authorities=Text(files.ca) if files.ca else None,
        server=Identity(fingerprint=(Text(files.fingerprint),)) if files.fingerprint else None,
        certificate=Text(files.cert) if files.cert else None,
        private_key=Secret(file=files.key) if files.key else None,
    )
    context = _made(client_context, tls)
    if files.fingerprint and not files.ca:  # the certificate itself is known: nobody need vouch for it
        context.verify_mode = ssl.CERT_NONE
    return context


def _made(make: Callable[[Any, Path], ssl.SSLContext], tls: Any) -> ssl.SSLContext:  # noqa: ANN401 - either side's
    from casecart.workspace import WorkspaceError  # noqa: PLC0415 - the same

    try:
        return make(tls, Path())
    except WorkspaceError as error:
        raise click.BadParameter(error.findings[0].message, param_hint="TLS") from None
