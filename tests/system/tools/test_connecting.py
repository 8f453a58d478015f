"""What is said of a server that is not reached because one side encrypts and the other does not."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

PALATE = Path(sys.executable).with_name("palate")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return an authority that nobody knows."""
    return trustme.CA()


@pytest.fixture
def encrypting(serve: Callable[..., str], authority: trustme.CA, tmp_path: Path) -> str:
    """Return the port of a server that encrypts, as localhost."""
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(key)
    certificate.cert_chain_pems[0].write_to_path(chain)
    return serve(server__tls_certificate=chain, server__tls_key=key).rpartition(":")[2]


def ask(*options: str) -> "subprocess.CompletedProcess[str]":
    """Ask for a slate, from a process of its own, whose errors gRPC could write among."""
    return subprocess.run([PALATE, "recommend", "--user", "ana", *options], capture_output=True, text=True, check=False)


def test_a_server_that_encrypts_is_asked_for_with_tls_and_by_the_name_in_its_certificate(
    encrypting: str, authority: trustme.CA, tmp_path: Path
) -> None:
    """Each mistake is one sentence, which says what to try; with that the server answers."""
    vouching = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(vouching)
    here, numbered = f"localhost:{encrypting}", f"127.0.0.1:{encrypting}"
    for options, sentence in {
        (): f"what listens at {here} hangs up; where it is a palate server that encrypts, add --tls, or --tls-ca FILE",
        ("--tls",): (
            f"the server at {here} encrypts, but with a certificate that nobody known here vouches for; "
            "name who does with --tls-ca FILE"
        ),
    }.items():
        refused = ask("--server", here, *options)
        assert (1, f"Error: {sentence}\n") == (refused.returncode, refused.stderr)
    elsewhere = ask("--server", numbered, "--tls-ca", str(vouching))
    assert elsewhere.stderr == (
        f"Error: the certificate of the server at {numbered} is for another name; "
        "give that one with --server HOST:PORT\n"
    )
    assert 0 == ask("--server", here, "--tls-ca", str(vouching)).returncode


def test_a_server_that_does_not_encrypt_is_asked_for_without_tls(serve: Callable[..., str]) -> None:
    """One sentence says so, and gRPC writes nothing of its own."""
    address = serve()
    refused = ask("--server", address, "--tls")
    assert (1, f"Error: the server at {address} does not encrypt; leave --tls and --tls-ca out\n") == (
        refused.returncode,
        refused.stderr,
    )
