"""Runs the functions' release binaries under `cargo lambda watch`, against an embedded DynamoDB and Secrets Manager.

The local stack runs all functions in one process. Here each runs in its own process, as in Lambda, with
the Runtime API, environment variables and an AWS endpoint. cargo-lambda provides only Lambda's APIs and
does not build the functions, so that the tested binaries are the shipped ones.
"""

import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from account import environment, locally, worker
from journey import Journey
from providers import Evotor, Vk
from rie import functions
from services import BUILT, free_port, process, simulators, wait_for_port


@contextmanager
def started(product, variables, logs):
    """Each function's binary, with the Runtime API that cargo-lambda keeps for it."""
    with ExitStack() as processes:
        for name in functions():
            api = f"{product}/.rt/{name}"
            given = {
                **variables,
                "AWS_LAMBDA_RUNTIME_API": api,
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            }
            processes.enter_context(process([BUILT / name / "bootstrap"], logs / f"{name}.log", env=given))
        yield


def main():
    logs = Path(tempfile.mkdtemp(prefix="lambda-watch-"))
    product_port = free_port()
    product = f"http://localhost:{product_port}"
    watch = ["cargo", "lambda", "watch", "--only-lambda-apis", "--disable-cors", "-A", "127.0.0.1", "-P", str(product_port)]

    def sweep():
        invocation = f"{product}/2015-03-31/functions/health-check/invocations"
        answer = requests.post(invocation, json={}, timeout=300)
        answer.raise_for_status()
        return answer.json()

    passed = 0
    with simulators(product, logs) as simulated:
        variables = environment(product, simulated)
        try:
            with process(watch, logs / "watch.log", env=variables) as child:
                # A function that finds no Runtime API ends.
                wait_for_port(product_port, child, logs / "watch.log")
                for flow, providers in [("classic", [Vk(simulated.vk), Evotor(simulated.evotor)]), ("vk_id", [Vk(simulated.vk)])]:
                    with started(product, {**variables, "VK_FLOW": flow}, logs):
                        for provider in providers:
                            print(f"# {provider.key}, VK_FLOW={flow}")
                            tokens = worker("token", **locally(product))
                            passed += Journey(product, provider, simulated.issuer, sweep, tokens).walk()
        except BaseException:
            for log in sorted(logs.glob("*.log")):
                print(f"== {log.name}\n{log.read_text()[-2000:]}")
            raise
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
