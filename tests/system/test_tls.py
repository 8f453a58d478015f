"""Encrypted calls."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import trustme
from palate.client import Client, Unreachable
from palate.errors import ConfigError


@pytest.fixture
def authority() -> trustme.CA:
    """Return an authority that nobody knows."""
    return trustme.CA()


def test_calls_are_encrypted_where_the_operator_names_a_certificate(
    serve: Callable[..., str], authority: trustme.CA, tmp_path: Path
) -> None:
    """Whoever trusts the authority is served; whoever does not, or does not encrypt, is not."""
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(key)
    certificate.cert_chain_pems[0].write_to_path(chain)
    port = serve(server__tls_certificate=chain, server__tls_key=key).split(":")[-1]
    trusting = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    with Client(f"localhost:{port}", tls=trusting) as client:
        assert client.recommend("ana").items
    for tls in (True, False):
        with Client(f"localhost:{port}", tls=tls, timeout=2) as client, pytest.raises(Unreachable):
            client.recommend("ana")


def test_a_certificate_that_cannot_be_read_is_named(serve: Callable[..., str], tmp_path: Path) -> None:
    """The server does not start without the encryption that was asked for."""
    missing = tmp_path / "nowhere.pem"
    with pytest.raises(ConfigError, match=r"nowhere\.pem"):
        serve(server__tls_certificate=missing, server__tls_key=missing)


def test_a_certificate_without_its_key_is_refused(serve: Callable[..., str], tmp_path: Path) -> None:
    """Half a pair is a mistake, not a wish for no encryption."""
    with pytest.raises(ConfigError, match="tls_key"):
        serve(server__tls_certificate=tmp_path / "chain.pem")
