"""A merchant's journey through a deployment: with the steps of an operator, and under VK ID."""

import json
import time

from journey import PERSON, Journey

# Where calls to VK leave from, as workers are told.
ADDRESS = "203.0.113.7"
# Seconds: more than two of the shortest periods of a schedule. At the next tick a connection that has just been
# checked is not due.
NEXT_SWEEP = 150


class DeployedJourney(Journey):
    """The journey with steps of an operator: the operator starts one sweep, the schedule the next, and a
    token key is rotated while an account is connected."""

    def __init__(self, address, provider, issuer, deployment):
        super().__init__(address, provider, issuer, deployment.sweep, deployment.tokens())
        self.parts_of_the_sweep = deployment.parts_of_the_sweep
        self.operate, self.wait_for_events = deployment.operate, deployment.wait_for_events

    def steps(self):
        steps = super().steps()
        after = steps.index(self.reconnecting_repairs_the_connection) + 1
        steps[after:after] = [
            self.events_reach_the_subscriber,
            self.a_late_subscriber_gets_a_snapshot,
            self.the_operator_sees_the_connection_without_its_token,
            self.the_operator_rotates_the_token_key,
        ]
        return [*steps, self.the_disconnection_is_announced]

    def a_sweep_finds_the_token_alive(self):
        summary = self.sweep()
        assert (summary["alive"], summary["finished"]) == (1, True), summary
        parts = self.parts_of_the_sweep(summary["run"])
        assert [parts[number]["done"] for number in ["0", "1"]] == [True, True], parts

    def a_dead_token_is_found_by_the_sweep(self):
        self.break_the_connection()
        deadline = time.monotonic() + NEXT_SWEEP
        while "Нужно переподключить" not in self.get("/connections").text:
            assert time.monotonic() < deadline, "no scheduled sweep has found the revoked token"
            time.sleep(1)

    def events_reach_the_subscriber(self):
        # The emulator's streams leave out what the sweep writes in batches (PartiQL): no "Broken".
        happened = ["Connected", "Reconnected"]
        events = self.wait_for_events(*[f"Connection {name}" for name in happened])
        events.sort(key=lambda event: int(event["detail"]["sequence"]))
        assert [event["detail-type"].split()[1] for event in events] == happened, events
        assert [event["detail"]["by"] for event in events] == ["person", "person"], events
        assert {event["detail"]["user"] for event in events} == {PERSON}, events

    def a_late_subscriber_gets_a_snapshot(self):
        assert self.operate("announce-connections") == "announced 1\n"
        [event] = self.wait_for_events("Connection Snapshot")
        assert (event["detail"]["user"], event["detail"]["is_online"]) == (PERSON, "true"), event

    def the_disconnection_is_announced(self):
        [event] = self.wait_for_events("Connection Disconnected")
        assert event["detail"]["by"] == "person", event

    def the_operator_sees_the_connection_without_its_token(self):
        row = json.loads(self.operate("connection", PERSON))
        assert row["vk_user_id"] == {"S": self.provider.account}, row
        assert "access_token" not in row, row

    def the_operator_rotates_the_token_key(self):
        self.operate("token-keys", "add")
        self.operate("token-keys", "use", "2", "--settle", "0")
        summary = self.sweep()
        assert (summary["alive"], summary["resealed"]) == (1, 1), summary
        assert self.operate("token-keys", "remove", "1", "--now", "--settle", "0").split() == ["2", "seals"]
        assert "Подключено" in self.get("/connections").text


class VkIdJourney(Journey):
    """The journey under VK ID, whose tokens lapse and answer from one address alone."""

    def a_worker_gets_a_token_that_the_provider_answers(self):
        super().a_worker_gets_a_token_that_the_provider_answers()
        token = self.tokens.get(PERSON, "vk")
        assert (token.egress, token.expires_at is not None) == (ADDRESS, True), token
