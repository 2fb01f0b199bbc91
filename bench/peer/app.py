"""The peer: the pages as a Python team would deploy them on Lambda, with FastAPI under Mangum, boto3 and Jinja.

One function serves all routes, as is usual there. Clients are made once, outside the handler. Like ours it checks
the session, reads session and connections in one call, and stores an attempt to connect in one transaction.
"""

import base64
import hashlib
import os
import secrets
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import boto3
from botocore.config import Config
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from mangum import Mangum

SESSIONS, CONNECTIONS = os.environ["SESSIONS_TABLE"], os.environ["CONNECTIONS_TABLE"]
BASE_URL = os.environ["BASE_URL"]
ZONE = ZoneInfo("Europe/Moscow")

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
templates = Jinja2Templates(directory=Path(__file__).with_name("templates"))
dynamodb = boto3.client("dynamodb", config=Config(connect_timeout=1, read_timeout=2, retries={"max_attempts": 3}))


def credential(request):
    """The user and the session's id that a cookie claims."""
    user, _, secret = request.cookies.get("__Host-session", "").partition(".")
    decoded = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in (user, secret)]
    digest = base64.urlsafe_b64encode(hashlib.sha256(decoded[1]).digest()).decode().rstrip("=")
    return decoded[0].decode(), f"session:{digest}"


def load(request, providers):
    user, session_id = credential(request)
    answer = dynamodb.batch_get_item(
        RequestItems={
            SESSIONS: {"Keys": [{"id": {"S": session_id}}], "ConsistentRead": True},
            CONNECTIONS: {
                "Keys": [{"user_id": {"S": user}, "provider": {"S": provider}} for provider in providers],
                "ConsistentRead": True,
            },
        }
    )
    session = answer["Responses"][SESSIONS][0]
    is_live = session["user_id"]["S"] == user and float(session["last_seen_at"]["N"]) > time.time() - 3600
    return (session if is_live else None), [connection(row) for row in answer["Responses"][CONNECTIONS]]


def connection(row):
    checked = datetime.fromisoformat(row["last_checked_at"]["S"].replace("Z", "+00:00"))
    return {
        "provider": row["provider"]["S"],
        "name": f"{row['first_name']['S']} {row['last_name']['S']}",
        "is_online": row["is_online"]["BOOL"],
        "checked": checked.astimezone(ZONE).strftime("%d.%m.%Y %H:%M"),
    }


def page(request, name, providers):
    session, connections = load(request, providers)
    if session is None:
        return RedirectResponse("/login", status_code=303)
    context = {"name": session["display_name"]["S"], "connections": connections}
    return templates.TemplateResponse(request, name, context, headers={"Cache-Control": "no-store"})


@app.get("/connections")
def dashboard(request: Request):
    return page(request, "connections.html", ["vk"])


@app.get("/vk")
def vk(request: Request):
    return page(request, "vk.html", ["vk"])


@app.get("/vk/connect")
def connect(request: Request):
    user, session_id = credential(request)
    state, now = secrets.token_urlsafe(32), int(time.time())
    attempt = base64.urlsafe_b64encode(hashlib.sha256(state.encode()).digest()).decode().rstrip("=")
    live = "user_id = :user AND last_seen_at > :idle"
    update = {
        "TableName": SESSIONS,
        "Key": {"id": {"S": session_id}},
        "UpdateExpression": "SET attempts.#attempt = :now, last_seen_at = :now",
        "ConditionExpression": live,
        "ExpressionAttributeNames": {"#attempt": attempt},
        "ExpressionAttributeValues": {":user": {"S": user}, ":now": {"N": str(now)}, ":idle": {"N": str(now - 3600)}},
    }
    put = {
        "TableName": SESSIONS,
        "Item": {"id": {"S": f"attempt:{attempt}"}, "user_id": {"S": user}, "expires_at": {"N": str(now + 600)}},
        "ConditionExpression": "attribute_not_exists(id)",
    }
    dynamodb.transact_write_items(TransactItems=[{"Update": update}, {"Put": put}])
    query = {
        "client_id": os.environ["VK_CLIENT_ID"], "redirect_uri": f"{BASE_URL}/vk/callback", "response_type": "code",
        "scope": "market groups offline", "v": "5.131", "state": state,
    }
    return RedirectResponse(f"{os.environ['VK_AUTHORIZE_URL']}?{urlencode(query)}", status_code=303)


handler = Mangum(app, lifespan="off")
