"""The event that each function is measured with, and the answer that shows it did its work."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASE_URL = "https://shop.example"
USER = "shop-7"
# A session's secret and an attempt's state. The stub takes every session for a live one.
SECRET = bytes(32)
STATE = "A" * 43


def encoded(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


COOKIE = f"__Host-session={encoded(USER.encode())}.{encoded(SECRET)}"
CSRF = encoded(hmac.new(SECRET, b"evosync connections: csrf token", hashlib.sha256).digest())


def request(route, query="", **changes):
    """API Gateway's event for a route, of a browser that is signed in."""
    event = json.loads((ROOT / "local/tests/stack/events/get.json").read_text())
    method, path = route.split(" ")
    event["routeKey"] = event["requestContext"]["routeKey"] = route
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = method
    event["rawQueryString"] = query
    return {**event, "cookies": [COOKIE], **changes}


def form(route, body):
    event = request(route, body=body)
    own = {"content-type": "application/x-www-form-urlencoded", "origin": BASE_URL, "sec-fetch-site": "same-origin"}
    event["headers"] |= own
    return event


def record(name, row):
    """A batch of the connections' stream with one change to a row."""
    image = "OldImage" if name == "REMOVE" else "NewImage"
    change = {
        "ApproximateCreationDateTime": 1795320960.0,
        "Keys": {key: row[key] for key in ("user_id", "provider")},
        image: row,
        "SequenceNumber": "4421584500000000017450439091",
    }
    return {"Records": [{"eventID": "c81e728d", "eventName": name, "dynamodb": change}]}


def events(row):
    """By function: its events, and what its answer must show. `row` is a row of the connections table."""
    # A change that was announced is not announced again, so that each event is another one.
    inserted = [record("INSERT", row) for _ in range(100)]
    for number, event in enumerate(inserted):
        event["Records"][0]["eventID"] = f"{number:08x}"
    return {
        "page": ([request("GET /vk")], status(200)),
        "dashboard": ([request("GET /connections")], status(200)),
        "connect": ([request("GET /vk/connect")], status(303, "/authorize?")),
        "disconnect": ([form("POST /vk/disconnect", f"csrf={CSRF}")], status(303, "/vk")),
        "callback": ([request("GET /vk/callback", f"code=c0de&state={STATE}")], status(303, "/connections")),
        "login": ([request("GET /login")], status(303, "/authorize?")),
        "assets": ([request("GET /no/such/page")], status(404)),
        "token": ([{"user_id": USER, "provider": "vk"}], lambda answer: "access_token" in answer),
        "events": (inserted, announced),
        "revoke": ([record("REMOVE", row)], announced),
        "health-check": ([{}], lambda answer: answer["finished"] and answer["alive"] == 1),
        "floor": ([request("GET /vk")], status(200)),
    }


def status(code, place=""):
    def check(answer):
        return answer["statusCode"] == code and place in answer.get("headers", {}).get("location", "")

    return check


def announced(answer):
    return answer == {"batchItemFailures": []}
