"""Live tokens of merchants' accounts, for EvoSync's sync workers. What the function promises is in
docs/workers.md.

    tokens = Tokens("evosync-TokenFunction-1A2B3C")
    token = tokens.get("merchant", "vk")
    # Call VK with token.access_token. If VK refuses it:
    token = tokens.rejected(token)

It needs boto3, and the rights of the policy that is the deployment's output TokensForWorkers.
"""

import json
import time
from dataclasses import dataclass, field
from datetime import datetime

import boto3
from botocore.config import Config

# Seconds that a token is used without asking again at the most: a merchant may have disconnected meanwhile.
LONGEST = 900


class TokenError(Exception):
    """There is no token. Each subclass says what a worker does then."""


class NotConnected(TokenError):
    """Stop working for the merchant, until an event says that an account was connected."""


class ReconnectNeeded(TokenError):
    """Stop until the merchant has reconnected, which an event says."""


class RightsMissing(TokenError):
    """Stop until the merchant has reconnected with all rights, which an event says."""


class BadRequest(TokenError):
    """The request is wrong, in the function's words: a bug of the worker."""


class TryLater(TokenError):
    """Nothing is known to be broken: ask again after `retry_after` seconds."""

    def __init__(self, retry_after, why=""):
        super().__init__(f"try again in {retry_after} s {why}".rstrip())
        self.retry_after = retry_after


ERRORS = {"not_connected": NotConnected, "reconnect_needed": ReconnectNeeded, "rights_missing": RightsMissing}


@dataclass(frozen=True)
class Token:
    """A live token. `version` names it without being it; `scopes`, `expires_at` and `egress` may be None."""

    user: str
    provider: str
    access_token: str = field(repr=False)
    version: str
    account_id: str
    scopes: list
    expires_at: datetime
    egress: str


class Tokens:
    """Asks for tokens, and keeps each until its time is short."""

    def __init__(self, function, client=None, min_ttl=300, now=time.time):
        # A renewal may take most of a minute, and is not made faster by asking again.
        self._client = client or boto3.client("lambda", config=Config(read_timeout=70))
        self._function, self._min_ttl, self._now = function, min_ttl, now
        self._kept = {}

    def get(self, user, provider="vk"):
        """A token that lives: the one kept, or a new one."""
        token, until = self._kept.get((user, provider), (None, 0))
        return token if self._now() < until else self._ask(user, provider)

    def rejected(self, token):
        """Says that the provider has refused a token, once, and forgets it; the token to go on with. If that
        is of the same version, the provider has said that it lives."""
        self.forget(token.user, token.provider)
        return self._ask(token.user, token.provider, rejected_version=token.version)

    def forget(self, user, provider="vk"):
        """Forgets a connection's token, as an event says that it is broken, replaced or removed."""
        self._kept.pop((user, provider), None)

    def _ask(self, user, provider, **more):
        asked = {"user_id": user, "provider": provider, "min_ttl_seconds": self._min_ttl, **more}
        answer = self._client.invoke(FunctionName=self._function, Payload=json.dumps(asked))
        if "FunctionError" in answer:
            raise TryLater(60, "(the function failed)")
        given = json.load(answer["Payload"])
        if "error" in given:
            raise error(given)
        expires_at = given.get("expires_at") and datetime.fromisoformat(given["expires_at"].replace("Z", "+00:00"))
        rest = {name: given.get(name) for name in ["version", "account_id", "scopes", "egress"]}
        token = Token(user, provider, access_token=given["access_token"], expires_at=expires_at, **rest)
        until = self._now() + LONGEST
        if expires_at:
            until = min(until, expires_at.timestamp() - self._min_ttl)
        self._kept[user, provider] = token, until
        return token


def error(given):
    """The exception for an answer with an error, of a newer name too."""
    name = given["error"]
    if name == "try_later":
        return TryLater(given.get("retry_after", 60))
    if name == "bad_request":
        return BadRequest(given.get("message", ""))
    return ERRORS.get(name, TokenError)(name)
