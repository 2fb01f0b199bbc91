"""Simulates renewals whose answers are lost, and prints the table of "Renewing tokens" in docs/operations.md:

    python bench/renewals.py
    python bench/renewals.py --processed 0.5

A refresh token is used once. An answer that is lost after VK has changed the tokens costs the connection for
good, so the fewer renewals there are, the fewer connections are lost. Each life of a connection, from its consent
to its loss, follows the product's rules:

- An access token lives for an hour. While it does, each sweep shows it to VK, which is a proof of life.
- Once it has lapsed, it is renewed by the first sweep that begins RENEW_AFTER or more after the last proof.
- When an answer is lost, nothing is spent for twenty minutes; then comes one late try. Where VK had changed the
  tokens, it is refused, and the connection is lost. Where it had not (--processed below 1), it is a renewal.
- The merchant connects again at once, at any moment between two sweeps.

Renewals whose answers come are all alike, so they are not walked one by one: how many there are before a lost one is
drawn from the geometric distribution. The counts are compared with p * year / (RENEW_AFTER + 1 hour), within four
standard errors. Needs nothing but Python.
"""

import argparse
import math
import random

# In minutes.
SWEEP = 15
HOUR = 60
DAY = 24 * HOUR
YEAR = 365.25 * DAY
ACCESS_LIVES = HOUR
KEPT_FOR = 20

# In hours; 0 is the naive rule, by which tokens are renewed as soon as they lapse.
RENEW_AFTER = [0, 1, 6, 12, 24, 72, 168, 720]
# How many of all answers are lost.
LOST = [1e-5, 1e-4]
FLEET = 1_000
PER_DAY = 10_000
# Lives for each number in the table: a standard error of half a percent.
LIVES = 40_000


class Connection:
    """What becomes of one connection's tokens."""

    def __init__(self, renew_after, lost, processed, chance):
        self.renew_after = renew_after * HOUR
        self.lost = lost
        self.processed = processed
        self.chance = chance
        # How long after its beginning each sweep comes to the row.
        self.place = chance.uniform(0.1, 1)
        self.renewals = 0

    def life(self):
        """The minutes from the consent to the loss."""
        consent = now = self.chance.uniform(0, SWEEP)
        while True:
            due = self.due(now)
            arrived = self.arrived_before_a_lost_one()
            due += arrived * (self.due(due) - due)
            self.renewals += arrived + 1
            now = self.late_tries(due)
            if now is None:
                return self.late(due) - consent

    def due(self, obtained):
        """When the sweep renews tokens that were obtained at a time."""
        proof, sweep = obtained, self.sweep_from(obtained - self.place) + SWEEP
        while sweep + self.place < obtained + ACCESS_LIVES - 1e-6:
            proof, sweep = sweep + self.place, sweep + SWEEP
        return max(sweep, self.sweep_from(proof + self.renew_after)) + self.place

    def late_tries(self, lost):
        """When a late try brings tokens; `None` where it is refused."""
        while self.chance.random() >= self.processed:
            lost = self.late(lost)
            self.renewals += 1
            if self.chance.random() >= self.lost:
                return lost
        self.renewals += 1
        return None

    def late(self, lost):
        return self.sweep_from(lost + KEPT_FOR - self.place) + self.place

    def sweep_from(self, moment):
        """The beginning of the first sweep at a moment or after it."""
        return SWEEP * math.ceil(moment / SWEEP - 1e-6)

    def arrived_before_a_lost_one(self):
        return int(math.log(1 - self.chance.random()) / math.log1p(-self.lost))


def simulate(renew_after, lost, processed, seed):
    """Connections that a fleet loses in a year, and its renewals in a day."""
    chance = random.Random(f"{seed} {renew_after}")
    minutes, renewals = 0, 0
    for _ in range(LIVES):
        connection = Connection(renew_after, lost, processed, chance)
        minutes += connection.life()
        renewals += connection.renewals
    losses, a_day = FLEET * LIVES * YEAR / minutes, FLEET * renewals * DAY / minutes
    compare(losses, processed * lost * FLEET * YEAR / cycle(renew_after), renew_after, lost)
    compare(a_day, FLEET * DAY / cycle(renew_after), renew_after, lost)
    return losses, a_day


def cycle(renew_after):
    """From one renewal to the next."""
    return renew_after * HOUR + ACCESS_LIVES


def compare(simulated, expected, renew_after, lost):
    error = abs(simulated / expected - 1)
    assert error < 4 / math.sqrt(LIVES), f"{renew_after} h, {lost}: {simulated} is not {expected}"


def table(processed, seed):
    yield "| `RenewAfter` | lost, 1 in 100 000 | lost, 1 in 10 000 | renewals a day | carried |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for hours in RENEW_AFTER:
        simulated = [simulate(hours, lost, processed, seed) for lost in LOST]
        losses = " | ".join(rounded(losses) for losses, _ in simulated)
        carried = rounded(PER_DAY * cycle(hours) / DAY)
        name = f"{hours} h" if hours else "as soon as they lapse"
        yield f"| {name} | {losses} | {rounded(simulated[0][1])} | {carried} |"


def rounded(number):
    """Two significant digits."""
    digits = 1 - math.floor(math.log10(number))
    return f"{round(number, digits):,.{max(digits, 0)}f}".replace(",", " ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processed", type=float, default=1.0, help="how many of the lost answers VK had made")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("\n".join(table(arguments.processed, arguments.seed)))
