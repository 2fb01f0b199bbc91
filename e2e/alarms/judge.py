"""Makes each cause that an alarm is for, has the real functions write their metric lines, and judges every alarm of the
templates over them in synthetic time: the cause's own alarm fires in its time, no other does, and none flaps.

What AWS itself measures (errors, throttles, queues, the API) no function writes; those values are made up here, as
the services' documentation describes them.
"""

import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(TESTS / "lambda"), str(TESTS / "infra")]

from causes import made  # noqa: E402
from cloudformation import deployed, load, of_type  # noqa: E402
from evaluator import Alarm, Metrics  # noqa: E402
from works import works  # noqa: E402

# Seconds: the sweep's period, when the cause begins, when it is mended, and when judging ends.
SWEEP, BEGINS, MENDED, ENDS = 900, 7200, 14400, 36000
MINUTE = 60


@dataclass
class Cause:
    """What goes wrong, and the alarm that is to tell it.

    `lines` are written, or `values` measured by AWS, every so many seconds while it lasts. A cause that a sweep finds
    is in the lines of the sweeps, in place of a healthy one's.
    """

    alarm: str
    lines: list = field(default_factory=list)
    values: list = field(default_factory=list)
    every: int = 4 * MINUTE
    is_found_by_sweeps: bool = False
    stops_sweeps: bool = False


def alarms():
    """The product's alarms, by logical id, on functions and queues by their plain names."""
    folders = {}
    for name, function in of_type(load("template.yaml")["Resources"], "AWS::Serverless::Function").items():
        folders[f"<{name}>"] = Path(function["CodeUri"]).name
    found = {}
    for name, properties in of_type(deployed().everything(), "AWS::CloudWatch::Alarm").items():
        text = json.dumps(properties)
        for reference, folder in folders.items():
            text = text.replace(reference, folder)
        found[name] = Alarm(json.loads(text))
    return found


def lived_through(cause, healthy):
    """The metrics of an account in which a cause begins and is mended, with a healthy sweep in each other period."""
    metrics = Metrics()
    for number in range(1, ENDS // SWEEP + 1):
        # The schedule is not exact: every other sweep reports just before its period begins.
        second = number * SWEEP + (-1 if number % 2 else 1)
        lasts = BEGINS <= number * SWEEP < MENDED
        if lasts and cause.stops_sweeps:
            continue
        for line in cause.lines if lasts and cause.is_found_by_sweeps else healthy:
            metrics.add_line(second, line)
    if not cause.is_found_by_sweeps:
        for second in range(BEGINS, MENDED, cause.every):
            for line in cause.lines:
                metrics.add_line(second, line)
            for value in cause.values:
                metrics.add(second, *value)
    return metrics


def judge(cause, healthy, product):
    """Asserts that a cause's alarm, and no other, goes to ALARM once, in its time, and back to OK once."""
    metrics = lived_through(cause, healthy)
    histories = {name: alarm.states(metrics, ENDS) for name, alarm in product.items()}
    fired = {name for name, states in histories.items() if set(states) != {"OK"}}
    assert fired == ({cause.alarm} if cause.alarm else set()), f"{cause.alarm or 'health'} is told by {sorted(fired) or 'nobody'}"
    if not cause.alarm:
        return
    alarm, states = product[cause.alarm], histories[cause.alarm]
    changes = [number for number in range(1, len(states)) if states[number] != states[number - 1]]
    assert len(changes) == 2, f"{cause.alarm} flaps: {states}"
    told_after = (changes[0] + 1) * alarm.period - BEGINS
    # The last of the periods it needs, and one more where the cause begins in the middle of a period.
    assert told_after <= (alarm.to_alarm + 1) * alarm.period, f"{cause.alarm} fires after {told_after} s"
    over_after = (changes[1] + 1) * alarm.period - MENDED
    print(f"ok - {cause.alarm} fires after {told_after // MINUTE} min, alone, and ends {over_after // MINUTE} min after it is mended", flush=True)


def measured():
    """Causes that AWS measures itself."""
    folders = [Path(function["CodeUri"]).name for function in of_type(load("template.yaml")["Resources"], "AWS::Serverless::Function").values()]
    for folder in folders:
        alarm = f"{folder.title().replace('-', '')}Fails"
        # Seldom used, and failing whenever it is.
        yield Cause(alarm, values=[("AWS/Lambda", "Errors", {"FunctionName": folder}, 1)], every=20 * MINUTE)
    yield Cause("Throttled", values=[("AWS/Lambda", "Throttles", {"FunctionName": "login"}, 1)], every=20 * MINUTE)
    age = ("AWS/Lambda", "IteratorAge", {"FunctionName": "events"}, 3_700_000)
    yield Cause("ChangesLate", values=[age], every=MINUTE)
    for alarm, queue in [("SweepLost", "FailedSweeps"), ("SweepMessageDead", "SweepDeadLetters"), ("ChangePutAside", "FailedEvents")]:
        visible = ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": f"<{queue}.QueueName>"}, 1)
        yield Cause(alarm, values=[visible], every=5 * MINUTE)
    yield from of_the_api()


def of_the_api():
    api = {"ApiId": "<HttpApi>"}

    def answered(requests, refused=0, failed=0, latency=50):
        each = [("AWS/ApiGateway", "Count", api, requests), ("AWS/ApiGateway", "4xx", api, refused)]
        return [*each, ("AWS/ApiGateway", "5xx", api, failed), ("AWS/ApiGateway", "IntegrationLatency", api, latency)]

    # One merchant now and then, and each reads an error.
    yield Cause("ServerErrors", values=answered(1, failed=1), every=5 * MINUTE)
    # A script that takes more than a route gives, and one that looks for what is not there.
    yield Cause("RequestsRefused", values=answered(7500, refused=1500), every=5 * MINUTE)
    yield Cause("RequestsRefused", values=answered(400, refused=400), every=5 * MINUTE)
    yield Cause("SlowAnswers", values=answered(10, latency=6000), every=5 * MINUTE)
    # What is no cause: a busy product, some of whose merchants mistype, and a quiet one with a few wrong addresses.
    yield Cause("", values=answered(20000, refused=1000), every=5 * MINUTE)
    yield Cause("", values=answered(40, refused=40), every=5 * MINUTE)


def main():
    logs = Path(tempfile.mkdtemp(prefix="alarms-"))
    try:
        with works(logs) as running:
            healthy, of_functions = made(running, Cause)
    except BaseException:
        for log in sorted(logs.glob("*.log")):
            print(f"== {log.name}\n{log.read_text()[-1500:]}")
        raise
    product = alarms()
    causes = [Cause("", stops_sweeps=False), *of_functions, *measured()]
    for cause in causes:
        judge(cause, healthy, product)
    judged = {cause.alarm for cause in causes if cause.alarm}
    assert judged == product.keys(), f"no cause is made for {sorted(product.keys() - judged)}"
    print(f"{len(judged)} alarms judged over {len(causes)} causes")


if __name__ == "__main__":
    main()
