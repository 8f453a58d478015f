"""How a server is named and reached: by options, by the environment, and with and without TLS."""

import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
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
    return subprocess.run([PALATE, "recommend", "ana", *options], capture_output=True, text=True, check=False)


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


def test_the_environment_names_the_server_and_the_token(
    serve: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PALATE_SERVER and PALATE_TOKEN stand for their options; a token file outranks PALATE_TOKEN."""
    monkeypatch.setenv("PALATE_SERVER", serve(auth__tokens=[{"name": "a", "sha256": sha256(b"sesame").hexdigest()}]))
    token = tmp_path / "token"
    token.write_text("sesame\n", encoding="utf-8")
    assert "the server wants a token" in ask().stderr
    assert 0 == ask("--token-file", str(token)).returncode
    monkeypatch.setenv("PALATE_TOKEN", "wrong")
    assert 0 == ask("--token-file", str(token)).returncode
    monkeypatch.setenv("PALATE_TOKEN", "sesame")
    assert 0 == ask().returncode


def test_a_token_file_that_cannot_serve_is_refused(tmp_path: Path) -> None:
    """One that is empty, one that is no text, and one beside --token."""
    token = tmp_path / "token"
    for content, options, sentence in (
        (b"\n", (), "is empty; write the token into it"),
        (b"\xff", (), "cannot be read"),
        (b"sesame", ("--token", "sesame"), "--token and --token-file exclude each other"),
    ):
        token.write_bytes(content)
        refused = ask("--token-file", str(token), *options)
        assert (2, True) == (refused.returncode, sentence in refused.stderr)
