"""The functions' release binaries under `cargo lambda watch`, for causes to be made and metric lines to be read."""

import base64
import json
import time
from contextlib import ExitStack, contextmanager

import boto3
import requests

from account import environment, locally
from journey import PERSON, Journey
from providers import Vk
from rie import functions
from services import BUILT, free_port, process, simulators, wait_for_port


class Works:
    """Every function in a process of its own, each of which can be started again with other variables."""

    def __init__(self, product, simulated, logs):
        self.product = product
        self.simulated = simulated
        self.logs = logs
        self.variables = environment(product, simulated)
        self.running = {}
        self.vk = Vk(simulated.vk)
        self.aws = locally(simulated.aws)
        self.connections = boto3.resource("dynamodb", **self.aws).Table("ConnectionsTable")
        self.sessions = boto3.resource("dynamodb", **self.aws).Table("SessionsTable")
        self.lambdas = boto3.client("lambda", **locally(product))

    def start(self, name, **variables):
        """Starts a function, in place of the one that ran before, with these variables beside the usual ones."""
        self.stop(name)
        given = {
            **self.variables,
            "AWS_LAMBDA_RUNTIME_API": f"{self.product}/.rt/{name}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            **variables,
        }
        self.running[name] = ExitStack()
        # A log for each start: a process truncates its own.
        log = self.logs / f"{name}.{time.monotonic_ns()}.log"
        self.running[name].enter_context(process([BUILT / name / "bootstrap"], log, env=given))

    def stop(self, name):
        if name in self.running:
            self.running.pop(name).close()

    def invoke(self, name, event):
        """Invokes a function, and returns its answer."""
        answer = self.lambdas.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read())

    def sweep(self):
        summary = self.invoke("health-check", {})
        assert summary.get("finished"), summary
        return summary

    def written(self):
        """Every metric line so far, by log."""
        found = []
        for log in sorted(self.logs.glob("*.*.log")):
            found += [line for line in log.read_text().splitlines() if '"_aws"' in line]
        return found

    def lines_of(self, cause):
        """The metric lines that functions write while something is done."""
        before = self.written()
        cause()
        # A process writes a line before it answers, and the file has it at once.
        after = self.written()
        for line in before:
            after.remove(line)
        return [json.loads(line) for line in after]

    def control(self, action, **order):
        requests.post(f"{self.simulated.vk}/control/{action}", data=order, timeout=30).raise_for_status()

    def merchant(self, user):
        """A merchant's browser, signed in as one of the simulated people, whose session is then given to this user."""
        before = {row["id"] for row in self.session_rows()}
        journey = Journey(self.product, self.vk, self.simulated.issuer, None, None)
        journey.submit(journey.get("/login"), "/authorize", person=PERSON)
        [session] = [row for row in self.session_rows() if row["id"] not in before]
        self.sessions.update_item(
            Key={"id": session["id"]}, UpdateExpression="SET user_id = :user", ExpressionAttributeValues={":user": user}
        )
        # The cookie names its user, too.
        for cookie in journey.browser.cookies:
            if cookie.value.startswith(f"{encoded(PERSON)}."):
                cookie.value = cookie.value.replace(encoded(PERSON), encoded(user), 1)
        return journey

    def session_rows(self):
        return [row for row in self.sessions.scan()["Items"] if row["id"].startswith("session:")]

    def connect(self, user, account):
        """Connects an account of VK's to a merchant, as a browser does."""
        callback = self.consent(self.merchant(user), account)
        page = callback()
        assert page.url == f"{self.product}/connections", page.url

    def consent(self, journey, account):
        """Consents at VK, and returns what then comes back to the product."""
        consent = journey.get("/vk/connect", headers={"Sec-Fetch-Site": "same-origin"})
        path = consent.url.removeprefix(self.vk.address).partition("?")[0]
        follow, journey.browser.max_redirects = journey.browser.max_redirects, 0
        try:
            journey.submit(consent, path, account=account, decision="allow")
        except requests.TooManyRedirects as stopped:
            location = stopped.response.headers["location"]
        finally:
            journey.browser.max_redirects = follow
        return lambda: journey.get(location)


def encoded(text):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@contextmanager
def works(logs):
    """Everything started, until the block ends."""
    port = free_port()
    product = f"http://localhost:{port}"
    watch = ["cargo", "lambda", "watch", "--only-lambda-apis", "--disable-cors", "-A", "127.0.0.1", "-P", str(port)]
    with simulators(product, logs) as simulated, ExitStack() as stack:
        running = Works(product, simulated, logs)
        child = stack.enter_context(process(watch, logs / "watch.log", env=running.variables))
        # A function that finds no Runtime API ends.
        wait_for_port(port, child, logs / "watch.log")
        stack.callback(lambda: [running.stop(name) for name in list(running.running)])
        for name in functions():
            running.start(name)
        yield running
