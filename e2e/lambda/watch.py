"""The functions' own binaries under `cargo lambda watch`, against moto's DynamoDB and Secrets Manager.

What the local stack runs in one process runs here as it runs in Lambda: a process per function, each
with the Runtime API, environment variables and AWS endpoint it is given.
"""

import tempfile
from pathlib import Path

import requests

from account import account, environment
from journey import Journey
from services import free_port, process, simulators, wait_for


def main():
    logs = Path(tempfile.mkdtemp(prefix="lambda-watch-"))
    product_port = free_port()
    product = f"http://localhost:{product_port}"
    watch = ["cargo", "lambda", "watch", "--wait", "--ignore-changes", "--disable-cors", "-A", "127.0.0.1", "-P", str(product_port)]

    def sweep():
        invocation = f"{product}/2015-03-31/functions/health-check/invocations"
        answer = requests.post(invocation, json={}, timeout=300)
        answer.raise_for_status()
        return answer.json()

    with account(logs) as endpoint, simulators(product, logs) as (vk, issuer):
        variables = environment(product, endpoint, vk, issuer)
        with process(watch, logs / "watch.log", env=variables) as child:
            wait_for(f"{product}/", child, logs / "watch.log", seconds=900)
            try:
                passed = Journey(product, vk, issuer, sweep).walk()
            except Exception:
                print((logs / "watch.log").read_text()[-6000:])
                raise
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
