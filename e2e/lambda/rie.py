"""Boots each function's release binary under AWS's Runtime Interface Emulator (part of the SAM CLI), with the
environment variables of the template, and invokes it with one event.
"""

import json
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import requests
import samcli

from account import CREDENTIALS, BadRequest, NotConnected, environment, locally, worker
from services import ARCHITECTURE, BUILT, ROOT, free_port, process, simulators, wait_for

sys.path.append(str(ROOT / "e2e/infra"))
from cloudformation import load, of_type  # noqa: E402

PRODUCT = "https://shop.example"
# Each function's status and redirect for a browser without a session.
ANSWERS = {
    "page": ("GET /vk", 303, "/login"),
    "dashboard": ("GET /connections", 303, "/login"),
    "connect": ("GET /vk/connect", 303, "/login"),
    "callback": ("GET /vk/callback", 303, "/vk?error=invalid_state"),
    "disconnect": ("POST /vk/disconnect", 403, None),
    "login": ("GET /login", 303, "{issuer}/authorize"),
    "assets": ("$default", 404, None),
}


def functions():
    """The names of the variables that the template gives each function, by its folder."""
    declared = of_type(load("template.yaml")["Resources"], "AWS::Serverless::Function").values()
    return {Path(function["CodeUri"]).name: names(function) for function in declared}


def names(function):
    return function.get("Environment", {"Variables": {}})["Variables"].keys()


def request(route):
    """API Gateway's event for a route."""
    event = json.loads((ROOT / "local/tests/stack/events/get.json").read_text())
    method, _, path = route.partition(" ") if " " in route else ("GET", "", "/no/such/page")
    event["routeKey"] = event["requestContext"]["routeKey"] = route
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = method
    return event


def schedule():
    """The event of EventBridge Scheduler."""
    return {
        "version": "0",
        "id": "29d2f7d5-5c3a-4b0e-9d21-6f4c1a1e0001",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "111122223333",
        "time": "2026-11-22T04:15:00Z",
        "region": CREDENTIALS["AWS_REGION"],
        "resources": ["arn:aws:scheduler:eu-central-1:111122223333:schedule/default/evosync-Sweep"],
        "detail": "{}",
    }


def changes():
    """A batch of the connections' stream: an account was connected."""
    return {"Records": [record("INSERT", "NewImage")]}


def removals():
    """A batch of what the revoke function's mapping lets through: an account was disconnected."""
    return {"Records": [record("REMOVE", "OldImage")]}


def record(name, image):
    keys = {"user_id": {"S": "shop|7"}, "provider": {"S": "vk"}}
    row = {**keys, "generation": {"S": "g"}, "is_online": {"BOOL": True}, "access_token": {"B": "Y2FuYXJ5"}}
    return {
        "eventID": "c81e728d",
        "eventName": name,
        "dynamodb": {
            "ApproximateCreationDateTime": 1795320960.0,
            "Keys": keys,
            image: row,
            "SequenceNumber": "4421584500000000017450439091",
        },
    }


@contextmanager
def booted(emulator, name, variables, logs):
    """The binary under the emulator; yields the address of its invocations."""
    port, log = free_port(), logs / f"{name}.log"
    command = [emulator, "--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{free_port()}", BUILT / name / "bootstrap"]
    with process(command, log, env=variables) as child:
        address = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        wait_for(address, child, log)
        yield address, log


def check_web(name, answer, issuer):
    _, status, place = ANSWERS[name]
    assert answer["statusCode"] == status, answer
    headers = {header.lower(): value for header, value in answer["headers"].items()}
    assert headers["content-security-policy"].startswith("default-src 'none'"), headers
    location = headers.get("location", "")
    assert location.startswith((place or "").format(issuer=issuer)), location


def check_panic(emulator, logs):
    """A panic returns a page and counts a failure. Its message is in no log, even at level TRACE."""
    canary = "canary-of-the-"
    levels = {"AWS_LAMBDA_LOG_LEVEL": "TRACE", "RUST_LOG": "trace"}
    variables = {**CREDENTIALS, "PATH": os.environ["PATH"], "BASE_URL": PRODUCT, **levels}
    event = request("GET /vk")
    event["rawQueryString"] = f"code={canary}query"
    event["cookies"] = [f"session={canary}cookie"]
    event["headers"]["authorization"] = f"Bearer {canary}header"
    with booted(emulator, "panics", variables, logs) as (address, log):
        answer = requests.post(address, json=event, timeout=60).json()
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert answer["statusCode"] == 500 and "Неполадка на нашей стороне" in answer["body"], answer
    assert event["requestContext"]["requestId"] in answer["body"], answer["body"]
    assert any(line.get("Failures") == 1 and line.get("ErrorCode") == "storage" for line in lines), text
    panicked = [line for line in lines if line.get("message") == "panicked"]
    assert panicked and panicked[0]["level"] == "ERROR" and "panics" in panicked[0]["place"], text
    assert canary not in text + json.dumps(answer), "a canary got out"


def check_changes(answer, log):
    assert answer == {"batchItemFailures": []}, answer
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    [audit] = [line for line in lines if line.get("target") == "audit"]
    assert (audit["event"], audit["user"], audit["at"]) == ("connected", "shop|7", "2026-11-22T04:16:00Z"), audit


def check_removals(answer, log):
    """The row's token opens with no key: that is counted, and not asked for again."""
    assert answer == {"batchItemFailures": []}, answer
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    [counted] = [line for line in lines if "RevocationsFailed" in line]
    assert (counted["Revoked"], counted["NothingToRevoke"], counted["RevocationsFailed"]) == (0, 0, 1), counted


def check_worker(address, log):
    """A worker asks the function, which the emulator calls `function`, and is told why there is no token."""
    tokens = worker("function", **locally(address.split("/2015", 1)[0]))
    for provider, expected in [("vk", NotConnected), ("nobody", BadRequest)]:
        try:
            tokens.get("shop|7", provider)
        except expected:
            continue
        raise AssertionError(f"{provider}: not {expected}")
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    [audit] = [line for line in lines if line.get("target") == "audit"]
    assert (audit["event"], audit["outcome"], audit["user"]) == ("token", "not_connected", "shop|7"), audit


def check_sweep(answer):
    assert (answer["finished"], answer["alive"], answer["dead"]) == (True, 0, 0), answer


def check(name, address, log, issuer):
    def answer(event):
        return requests.post(address, json=event, timeout=60).json()

    match name:
        case "events":
            check_changes(answer(changes()), log)
        case "revoke":
            check_removals(answer(removals()), log)
        case "health-check":
            check_sweep(answer(schedule()))
        case "token":
            check_worker(address, log)
        case _:
            check_web(name, answer(request(ANSWERS[name][0])), issuer)


def main():
    logs = Path(tempfile.mkdtemp(prefix="lambda-rie-"))
    emulator = logs / "aws-lambda-rie"
    shutil.copy(Path(samcli.__file__).parent / f"local/rapid/aws-lambda-rie-{ARCHITECTURE}", emulator)
    emulator.chmod(0o755)
    declared = functions()
    assert declared.keys() == {*ANSWERS, "health-check", "events", "revoke", "token"}
    with simulators(PRODUCT, logs) as simulated:
        known = environment(PRODUCT, simulated)
        for name, given in declared.items():
            own = {*CREDENTIALS, "AWS_ENDPOINT_URL", "PATH", *given}
            variables = {variable: value for variable, value in known.items() if variable in own}
            with booted(emulator, name, variables, logs) as (address, log):
                try:
                    check(name, address, log, simulated.issuer)
                except Exception:
                    print(log.read_text()[-4000:])
                    raise
            print(f"ok - {name} answers {ANSWERS.get(name, ['its event'])[0]}", flush=True)
    check_panic(emulator, logs)
    print("ok - a panic is a page, a count and a log without what was in it")
    print(f"{len(declared) + 1} passed, 0 failed")


if __name__ == "__main__":
    main()
