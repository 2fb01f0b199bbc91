"""Runs MiniStack, an emulated AWS, over TLS and with every call authorised by IAM."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import boto3
import urllib3.connection
import urllib3.util.connection

from services import free_port, process, wait_for

ACCOUNT = "000000000000"
REGION = "eu-central-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


class Emulator:
    """A running emulator: its endpoint, its certificate, and the environment variables for AWS's tools."""

    def __init__(self, port, certificate, log):
        self.endpoint = f"https://localhost:{port}"
        self.certificate = certificate
        self.log = log
        self.environment = {
            **os.environ,
            **CREDENTIALS,
            "AWS_CA_BUNDLE": str(certificate),
            "AWS_ENDPOINT_URL": self.endpoint,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SAM_CLI_TELEMETRY": "0",
        }

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            verify=str(self.certificate),
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def pages(self, service, operation, key, **arguments):
        """All items of a paginated operation."""
        pages = self.client(service).get_paginator(operation).paginate(**arguments)
        return [item for page in pages for item in page[key]]


@contextmanager
def emulator(folder):
    """Runs MiniStack until the block ends. It is installed in a separate virtual environment."""
    port, log = free_port(), folder / "ministack.log"
    certificate, key = certify(folder)
    running = Emulator(port, certificate, log)
    environment = {
        **running.environment,
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "MINISTACK_SSL_CERT": str(certificate),
        "MINISTACK_SSL_KEY": str(key),
        # Functions inherit this environment, and so trust the emulator's certificate.
        "SSL_CERT_FILE": str(certificate),
        "TMPDIR": str(folder),
        "USE_SSL": "1",
    }
    python = Path(sys.executable).parents[1].with_name("venv-ministack") / "bin/python"
    with process([python, "-m", "ministack"], log, env=environment) as child:
        wait_for(f"{running.endpoint}/_ministack/health", child, log, verify=str(certificate))
        yield running


def certify(folder):
    """Creates a certificate for the emulator and the APIs in it. It must not be a CA certificate: rustls
    rejects those from a server."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = "DNS:localhost,DNS:*.execute-api.localhost,IP:127.0.0.1"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=emulator"]
    command += ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", f"subjectAltName={names}"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def resolve_as_browsers_do():
    """Resolves every name under localhost to this machine (RFC 6761, section 6.3). The C library does
    not."""
    connect = urllib3.util.connection.create_connection

    def create_connection(address, *arguments, **options):
        host, port = address
        return connect(("127.0.0.1" if host.endswith(".localhost") else host, port), *arguments, **options)

    urllib3.connection.connection.create_connection = create_connection
