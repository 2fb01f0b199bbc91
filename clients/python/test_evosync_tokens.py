"""Tests the client against a function that answers as told."""

import io
import json
import re
import unittest
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import evosync_tokens
from evosync_tokens import BadRequest, NotConnected, ReconnectNeeded, RightsMissing, TokenError, Tokens, TryLater

SECRET = "vk2.a.secret"
ROOT = Path(__file__).resolve().parents[2]
ANSWERS = (ROOT / "functions/token/src/answer.rs").read_text()
DOCUMENT = (ROOT / "docs/workers.md").read_text()


class Function:
    """Lambda's client: answers what it is told to, and notes what it is asked."""

    def __init__(self):
        self.asked, self.answer, self.failure = [], {}, {}

    def invoke(self, FunctionName, Payload):
        self.asked.append({"function": FunctionName, **json.loads(Payload)})
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(self.answer).encode()), **self.failure}

    def give(self, version, **more):
        self.answer = {
            "access_token": SECRET, "version": version, "account_id": "1000001", "scopes": ["market"],
            "expires_at": None, "egress": None, "newer": {}, **more,
        }


class Client(unittest.TestCase):
    def setUp(self):
        self.now = 1795320960.0
        self.function = Function()
        self.function.give("g.0")
        self.tokens = Tokens("evosync-token", client=self.function, now=lambda: self.now)

    def refused(self):
        with self.assertRaises(TokenError) as raised:
            self.tokens.get("shop")
        return raised.exception

    def test_a_token_is_asked_for_by_merchant_and_provider(self):
        token = self.tokens.get("shop")
        [asked] = self.function.asked
        expected = {"function": "evosync-token", "user_id": "shop", "provider": "vk", "min_ttl_seconds": 300}
        self.assertEqual(asked, expected)
        self.assertEqual((token.access_token, token.version, token.account_id), (SECRET, "g.0", "1000001"))
        self.assertEqual((token.scopes, token.expires_at, token.egress), (["market"], None, None))

    def test_a_token_is_kept_until_its_time_is_short(self):
        # It lives for ten minutes, and five are asked for.
        self.function.give("g.0", expires_at="2026-11-22T04:26:00Z", egress="203.0.113.7")
        first = self.tokens.get("shop")
        self.assertEqual((first.expires_at.timestamp() - self.now, first.egress), (600, "203.0.113.7"))
        self.now += 299
        self.assertIs(self.tokens.get("shop"), first)
        self.now += 1
        self.assertIsNot(self.tokens.get("shop"), first)

    def test_a_token_that_does_not_lapse_is_kept_for_a_quarter_of_an_hour(self):
        first = self.tokens.get("shop")
        self.now += 899
        self.assertIs(self.tokens.get("shop"), first)
        self.now += 1
        self.tokens.get("shop")
        self.assertEqual(len(self.function.asked), 2)

    def test_a_refused_token_is_forgotten_and_asked_for_once(self):
        token = self.tokens.get("shop")
        self.function.give("g.1")
        self.assertEqual(self.tokens.rejected(token).version, "g.1")
        self.assertEqual(self.tokens.get("shop").version, "g.1")
        self.assertEqual([asked.get("rejected_version") for asked in self.function.asked], [None, "g.0"])
        self.function.answer = {"error": "reconnect_needed"}
        with self.assertRaises(ReconnectNeeded):
            self.tokens.rejected(token)
        self.assertIsInstance(self.refused(), ReconnectNeeded)

    def test_an_event_makes_one_token_forgotten(self):
        first = self.tokens.get("shop")
        self.tokens.forget("another")
        self.assertIs(self.tokens.get("shop"), first)
        self.tokens.forget("shop")
        self.assertIsNot(self.tokens.get("shop"), first)

    def test_errors_have_types(self):
        for name, kind in [
            ("not_connected", NotConnected), ("reconnect_needed", ReconnectNeeded),
            ("rights_missing", RightsMissing), ("something_newer", TokenError),
        ]:
            self.function.answer = {"error": name}
            self.assertIs(type(self.refused()), kind)
        self.function.answer = {"error": "bad_request", "message": "user_id must be the merchant's id"}
        self.assertIs(type(self.refused()), BadRequest)
        self.assertIn("user_id", str(self.refused()))

    def test_the_errors_are_those_of_the_function(self):
        named = set(re.findall(r'=> "(\w+)"', ANSWERS))
        self.assertEqual(named, {*evosync_tokens.ERRORS, "try_later", "bad_request"})

    def test_every_member_and_error_is_documented(self):
        members = re.findall(r'^ +"(\w+)":', ANSWERS, re.M)
        self.assertEqual(len(members), 6)
        for name in [*members, *evosync_tokens.ERRORS, "try_later", "bad_request"]:
            self.assertIn(f"| `{name}` |", DOCUMENT)

    def test_the_documented_example_runs(self):
        [example] = re.findall(r"```python\n(.+?)```", DOCUMENT, re.S)
        lines = [line.removeprefix("   ") for line in example.splitlines()]
        said, client = [], self.function
        self.function.answer = {"error": "try_later", "retry_after": 7}
        known = {"print": lambda *words: said.append(words), "__name__": "example"}
        with patch.object(evosync_tokens.boto3, "client", lambda *_, **__: client):
            with patch.dict("sys.modules", requests=ModuleType("requests")):
                exec("\n".join(lines), known)
        self.assertEqual(said, [("ask again in", 7, "seconds")])
        self.assertEqual(self.function.asked[0]["user_id"], "demo|romashka")

    def test_the_caller_is_told_when_to_come_again(self):
        self.function.answer = {"error": "try_later", "retry_after": 5}
        later = self.refused()
        self.assertEqual((type(later), later.retry_after), (TryLater, 5))
        self.function.failure = {"FunctionError": "Unhandled"}
        later = self.refused()
        self.assertEqual((type(later), later.retry_after), (TryLater, 60))

    def test_nothing_that_is_printed_holds_a_token(self):
        token = self.tokens.get("shop")
        for printed in [repr(token), str(token), repr(self.tokens), str([token])]:
            self.assertNotIn(SECRET, printed)
        self.assertIn("g.0", repr(token))


if __name__ == "__main__":
    unittest.main()
