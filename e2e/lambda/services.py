"""Starts and stops the processes that a test needs."""

import os
import platform
import re
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import requests

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# Where cargo-lambda puts the release build: <function>/bootstrap.
BUILT = TARGET / "lambda"
# The binaries' architecture, by Lambda's name.
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
EVOTOR_CLIENT_SECRET = "evotor-client-secret-of-this-test"
VK_CLIENT_SECRET = "vk-client-secret-of-this-test"
VK_SERVICE_TOKEN = "vk-service-token-of-this-test"
OIDC_CLIENT_SECRET = "oidc-client-secret-of-this-test"


def free_port():
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(command, log, **options):
    """Runs a command in a process group of its own until the block ends."""
    with open(log, "wb") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=ROOT, **options)
        try:
            yield child
        finally:
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)


def wait_for(url, child, log, seconds=60, **options):
    """Waits until something answers at an address."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        try:
            return requests.get(url, timeout=5, **options)
        except requests.RequestException:
            time.sleep(0.2)
    raise SystemExit(f"{url} does not answer:\n{Path(log).read_text()[-4000:]}")


def wait_for_port(port, child, log, seconds=60):
    """Waits until a process listens on a port of this machine."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}:\n{Path(log).read_text()[-4000:]}")


def simulators_ports():
    """Ports for the simulators."""
    return SimpleNamespace(evotor=free_port(), vk=free_port(), issuer=free_port())


def addresses(ports):
    """The simulators' addresses at their ports."""
    return {name: f"http://127.0.0.1:{port}" for name, port in vars(ports).items()}


@contextmanager
def simulators(product, logs, ports=None):
    """Runs a simulated Evotor, VK, issuer and AWS for the product at an address; yields their addresses."""
    log = logs / "simulators.log"
    ports = ports or simulators_ports()
    command = [
        TARGET / "debug/simulators", "--product", product,
        "--evotor-port", str(ports.evotor), "--evotor-client-secret", EVOTOR_CLIENT_SECRET,
        "--vk-port", str(ports.vk), "--vk-client-secret", VK_CLIENT_SECRET,
        "--vk-service-token", VK_SERVICE_TOKEN,
        "--issuer-port", str(ports.issuer), "--oidc-client-secret", OIDC_CLIENT_SECRET,
    ]
    with process(command, log) as child:
        wait_for(f"http://127.0.0.1:{ports.issuer}/.well-known/openid-configuration", child, log)
        aws = re.search(r"^aws (\S+)$", log.read_text(), re.M)[1]
        yield SimpleNamespace(**addresses(ports), aws=aws)
