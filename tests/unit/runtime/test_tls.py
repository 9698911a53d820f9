"""What is said of TLS becomes contexts, or a finding at the place where it is wrong."""

from __future__ import annotations

import re
import ssl
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from casecart.runtime.certificate import Certificate, Identity
from casecart.runtime.handshake import HandshakeFailed, must_be_expected, peer_of
from casecart.runtime.tls import ClientTls, ServerTls, client_context, ends_of, faults_of, server_context
from casecart.workspace import WorkspaceError
from support.certificates import Authority, Papers
from support.settings import findings_of, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.runtime.tls import Tls


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom all trust."""
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Papers:
    """The listener's papers."""
    return authority.issue("CN=casecart", file="server")


@pytest.fixture
def client(authority: Authority) -> Papers:
    """A sender's papers."""
    return authority.issue("CN=orsys,O=Mercy Hospital", names=("orsys.example.org", "192.0.2.7"), file="client")


SERVER = "certificate: server.pem\nkey: {file: server.key}\nauthorities: authority.pem"
CLIENT = "certificate: client.pem\nkey: {file: client.key}\nauthorities: authority.pem"


def handshake(
    root: Path, server: str = SERVER, client: str = CLIENT, host: str = "localhost"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both sides of a connection, agreed; raises what OpenSSL says if they don't come to that."""
    there = [ssl.MemoryBIO(), ssl.MemoryBIO()]
    ends = (
        server_context(settings_of(ServerTls, server), root).wrap_bio(there[0], there[1], server_side=True),
        client_context(settings_of(ClientTls, client), root).wrap_bio(there[1], there[0], server_hostname=host),
    )
    done = [False, False]
    for _ in range(6):
        for index, end in enumerate(ends):
            try:
                end.do_handshake()
                done[index] = True
            except ssl.SSLWantReadError:
                pass
    assert done == [True, True]
    return ends


@pytest.mark.usefixtures("server", "client")
def test_both_sides_know_each_other_and_speak_tls_1_3(tmp_path: Path) -> None:
    ours, theirs = handshake(tmp_path)
    assert ours.version() == "TLSv1.3"
    sender, listener = peer_of(ours), peer_of(theirs)
    assert sender is not None
    assert listener is not None
    assert (sender.subject, listener.subject) == ("CN=orsys,O=Mercy Hospital", "CN=casecart")


@pytest.mark.usefixtures("server", "client")
def test_without_authorities_no_certificate_is_asked_for(tmp_path: Path) -> None:
    ours, _ = handshake(tmp_path, server="certificate: server.pem\nkey: {file: server.key}")
    assert peer_of(ours) is None


@pytest.mark.usefixtures("server", "client")
@pytest.mark.parametrize(
    ("host", "expected", "refused"),
    [
        ("localhost", "", False),
        ("elsewhere.example.org", "", True),  # without more the host's name must be in it
        ("elsewhere.example.org", "\nserver: {subject: CN=casecart}", False),  # who it is counts, not where it is
    ],
)
def test_a_client_looks_at_the_hosts_name_where_it_is_not_told_who_the_server_is(
    tmp_path: Path, host: str, expected: str, *, refused: bool
) -> None:
    if refused:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            handshake(tmp_path, client=CLIENT + expected, host=host)
    else:
        handshake(tmp_path, client=CLIENT + expected, host=host)


@pytest.mark.usefixtures("server", "client")
def test_a_trusted_certificate_of_somebody_else_is_not_the_expected_one(tmp_path: Path) -> None:
    _, theirs = handshake(tmp_path)
    must_be_expected(None, theirs)
    must_be_expected(settings_of(Identity, "subject: casecart"), theirs)
    with pytest.raises(HandshakeFailed, match="not the expected one") as raised:
        must_be_expected(settings_of(Identity, "subject: billing"), theirs)
    assert raised.value.code == "tls-wrong-certificate"


def test_a_certificate_that_signs_itself_is_trusted_where_it_is_listed(tmp_path: Path, server: Papers) -> None:
    alone = Authority(tmp_path, "other").issue("CN=orsys", file="client", own_signature=True)
    listed = SERVER.replace("authority.pem", "client.pem")
    sender = peer_of(handshake(tmp_path, server=listed)[0])
    assert sender is not None
    assert sender.fingerprint == alone.fingerprint.replace(":", "").lower()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path)


def test_a_revoked_certificate_is_refused(tmp_path: Path, authority: Authority, server: Papers, client: Papers) -> None:
    authority.revoke(authority.issue("CN=gone"))
    handshake(tmp_path, client=CLIENT.replace("authority.pem", "server.pem"))
    authority.revoke(client)
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        handshake(tmp_path, client=CLIENT.replace("authority.pem", "server.pem"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.usefixtures("server")
def test_nothing_older_than_tls_1_2_is_spoken(tmp_path: Path, version: ssl.TLSVersion) -> None:
    assert server_context(settings_of(ServerTls, SERVER), tmp_path).minimum_version > version


@pytest.mark.usefixtures("server")
def test_every_cipher_of_tls_1_2_has_forward_secrecy_and_authenticates(tmp_path: Path) -> None:
    names = [each["name"] for each in server_context(settings_of(ServerTls, SERVER), tmp_path).get_ciphers()]
    assert names
    assert all(name.startswith(("ECDHE-", "TLS_")) and name.endswith(("256", "384", "1305")) for name in names), names


def test_a_key_may_stand_in_the_environment(tmp_path: Path, server: Papers) -> None:
    said = settings_of(ServerTls, "certificate: server.pem\nkey: {env: KEY}")
    server_context(said, tmp_path, {"KEY": server.key.read_text()})
    with pytest.raises(WorkspaceError, match="KEY is not set"):
        server_context(said, tmp_path, {})


def test_the_days_left_are_those_of_the_certificate_that_ends_first(tmp_path: Path, authority: Authority) -> None:
    own = authority.issue("CN=casecart", lasts=timedelta(days=5), file="server")
    said = settings_of(ServerTls, SERVER)
    assert ends_of(said, tmp_path) == int(own.x509.not_valid_after_utc.timestamp())
    soon = authority.issue("CN=between", lasts=timedelta(days=2))
    own.certificate.write_bytes(own.certificate.read_bytes() + soon.certificate.read_bytes())
    assert ends_of(said, tmp_path) == int(soon.x509.not_valid_after_utc.timestamp())
    assert ends_of(settings_of(ClientTls, "{}"), tmp_path) is None


@pytest.mark.usefixtures("server", "client")
@pytest.mark.parametrize(
    ("declaration", "said", "words"),
    [
        (ServerTls, SERVER.replace("server.pem", "none.pem"), "1:14 .* none.pem can't be read .no such file"),
        (ServerTls, SERVER.replace("server.pem", "server.key"), "1:14 .* server.key holds no certificate in PEM form"),
        (ServerTls, SERVER.replace("server.key", "client.key"), "2:6 .* not the key of the certificate in server.pem"),
        (ServerTls, SERVER.replace("server.key", "server.pem"), "2:6 .* certificate and key can't be used"),
        (ServerTls, SERVER.replace("server.key", "locked.key"), "2:6 .* encrypted with a password"),
        (ServerTls, SERVER.replace("server.key", "none.key"), "2:6 .* secret-missing .*none.key could not be read"),
        (ServerTls, SERVER.replace("authority.pem", "server.key"), "3:14 .* server.key holds no certificate"),
        (ServerTls, SERVER.replace("authority.pem", "none.pem"), "3:14 .* none.pem can't be read"),
        (ServerTls, SERVER.replace("authority.pem", "garbage.pem"), "3:14 .* garbage.pem holds no certificate"),
        (ClientTls, CLIENT.replace("client.key", "server.key"), "2:6 .* not the key of the certificate in client.pem"),
        (ClientTls, "authorities: none.pem", "1:14 .* none.pem can't be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_at_its_place(
    tmp_path: Path, declaration: type[Tls], said: str, words: str
) -> None:
    (tmp_path / "garbage.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "locked.key").write_bytes(locked_key())
    with pytest.raises(WorkspaceError, match=f"engine.yaml:{words}"):
        context_of(settings_of(declaration, said), tmp_path)


def context_of(said: Tls, root: Path) -> ssl.SSLContext:
    """Of either side."""
    return server_context(said, root) if isinstance(said, ServerTls) else client_context(said, root)


def locked_key() -> bytes:
    """A key with a password."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"made up")
    )


@pytest.mark.parametrize("missing", ["certificate: client.pem", "key: {file: client.key}"])
def test_a_client_has_certificate_and_key_or_neither(missing: str) -> None:
    assert findings_of(ClientTls, missing) == [
        "engine.yaml:1:1 error one-of 'certificate' and 'key' go together: give both, or neither"
    ]


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ('subject: "CN=orsys, O=Mercy Hospital"', True),
        ('subject: "O=mercy  hospital,CN=ORSYS"', True),  # neither order, case nor spaces tell names apart
        ("subject: CN=orsys", True),  # all that is given
        ('subject: "CN=orsys, OU=OR"', False),
        ("subject: CN=ors", False),
        ("subject: orsys", True),  # the common name
        ("subject: orsys.example.org", True),  # an alternative name
        ("subject: 192.0.2.7", True),
        ("subject: orsys.example.com", False),
        ("subject: Mercy Hospital", False),  # of its organisation there are many
        ("fingerprint: @", True),
        (f'fingerprint: ["{"00" * 32}", "@"]', True),  # the old one and the new one
        (f'fingerprint: "{"00" * 32}"', False),
        ("subject: billing\nfingerprint: @", False),  # all that is given
    ],
)
def test_a_certificate_is_told_by_its_subject_and_its_fingerprint(client: Papers, said: str, *, fits: bool) -> None:
    identity = settings_of(Identity, said.replace("@", client.fingerprint))
    assert identity.fits(Certificate.of(client.x509.public_bytes(Encoding.DER))) is fits


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{}", "a certificate is told by 'subject', 'fingerprint' or both"),
        ('subject: "CN"', None),  # a name of its own
        ('subject: "=orsys"', "'subject' is attributes such as"),
        ('subject: "CN=orsys,,"', "'subject' is attributes such as"),
        ('subject: " "', "'subject' is attributes such as"),
        ("fingerprint: 6F:D0", "32 bytes in hexadecimal digits"),
        (f"fingerprint: {'zz' * 32}", "32 bytes in hexadecimal digits"),
    ],
)
def test_an_identity_that_cant_be_read_is_a_finding(said: str, words: str | None) -> None:
    found = findings_of(Identity, said)
    assert (words is None and found == []) or (words is not None and words in found[0])


@pytest.mark.parametrize(
    ("days", "said", "words"),
    [
        (90, SERVER, None),
        (20, SERVER, "1:14 warning bad-certificate the certificate in server.pem ends in (19|20) days: put a new"),
        (-1, SERVER, "1:14 warning bad-certificate the certificate in server.pem has ended: put a new one"),
        (90, SERVER.replace("server.pem", "none.pem"), "1:14 warning bad-certificate none.pem can't be read"),
        (90, SERVER.replace("server.key", "client.key"), "2:6 error bad-certificate this is not the key of the cert"),
        (90, SERVER.replace("server.key", "none.key"), None),  # an analyst's machine has no key
        (90, SERVER.replace("server.pem", "server.key"), "1:14 error bad-certificate server.key holds no certificate"),
        (90, SERVER.replace("authority.pem", "none.pem"), "3:14 warning bad-certificate none.pem can't be read"),
        (
            90,
            SERVER.replace("authority.pem", "server.key"),
            "3:14 error bad-certificate server.key holds no certificate",
        ),
    ],
)
def test_check_looks_at_the_files_that_are_there(
    tmp_path: Path, authority: Authority, days: int, said: str, words: str | None
) -> None:
    authority.issue("CN=casecart", lasts=timedelta(days=days), file="server")
    authority.issue("CN=orsys", file="client")
    found = [str(each) for each in faults_of(settings_of(ServerTls, said), tmp_path, int(time.time()))]
    assert len(found) == (words is not None)
    assert all(re.match(f"engine.yaml:{words}", finding) for finding in found), found
