"""Runs a function, or a loop, against the stub of everything outside it, and reads what that cost."""

import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.request import Request, urlopen

from events import BASE_URL, ROOT, USER

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# The roots that a machine trusts, as in Lambda's image: reading them is part of a cold start.
ROOTS = [Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt")]


@contextmanager
def stub(bench, **options):
    """A stub in a process of its own; yields its addresses and a file of the machine's roots with its own."""
    flags = [f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in options.items()]
    child = subprocess.Popen([bench, "stub", *flags], stdout=subprocess.PIPE, text=True)
    try:
        told = SimpleNamespace(**json.loads(child.stdout.readline()))
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as roots:
            system = next((file.read_text() for file in ROOTS if file.exists()), "")
            roots.write(system + told.root)
            roots.flush()
            told.roots = roots.name
            yield told
    finally:
        child.kill()
        child.wait()


def environment(told, tls, **more):
    """What a function, or the peer, is told."""
    address = told.tls if tls else told.plain
    trusted = {"SSL_CERT_FILE": told.roots, "AWS_CA_BUNDLE": told.roots}
    return {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": address,
        "BASE_URL": BASE_URL,
        "CONNECTIONS_TABLE": "ConnectionsTable",
        "SESSIONS_TABLE": "SessionsTable",
        "TOKEN_KEYS_SECRET_ID": "token-keys",
        "FAILED_EVENTS_URL": f"{address}/111122223333/failed-events",
        "VK_CLIENT_ID": "7000001",
        "VK_CLIENT_SECRET_ID": "vk-client-secret",
        "VK_AUTHORIZE_URL": f"{address}/authorize",
        "VK_TOKEN_URL": f"{address}/access_token",
        "VK_API_URL": f"{address}/method",
        "OIDC_ISSUER": address,
        "OIDC_CLIENT_ID": "evosync",
        "OIDC_CLIENT_SECRET_ID": "oidc-client-secret",
        **(trusted if tls else {}),
        **more,
    }


def row(told):
    """A row of the connections table."""
    key = {"user_id": {"S": USER}, "provider": {"S": "vk"}}
    body = json.dumps({"TableName": "ConnectionsTable", "Key": key}).encode()
    request = Request(told.plain, body, {"X-Amz-Target": "DynamoDB_20120810.GetItem"})
    return json.load(urlopen(request, timeout=10))["Item"]


def counts(told):
    return json.load(urlopen(told.counts, timeout=10))


def drive(bench, command, events, variables, invocations=1, told=None, deadline=25):
    """Starts a function, hands it events, and returns what `bench drive` says."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(events, file)
        file.flush()
        options = ["--events", file.name, f"--invocations={invocations}", f"--deadline={deadline}"]
        options += ["--counts", told.counts] if told else []
        done = run([bench, "drive", *options, "--", *map(str, command)], variables)
    return json.loads(done.stdout.splitlines()[-1])


def run(command, variables, **options):
    """Runs a command to its end."""
    done = subprocess.run(
        [str(part) for part in command], env=variables, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def difference(after, before):
    """What a stub has counted between two moments; of requests, by name."""
    asked = {name: number - before["requests"].get(name, 0) for name, number in after["requests"].items()}
    plain = {name: number - before[name] for name, number in after.items() if name != "requests"}
    return {**plain, "requests": {name: number for name, number in asked.items() if number}}
