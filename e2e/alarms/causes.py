"""Makes the causes that functions themselves measure, one after another, in one product."""

import base64
from datetime import datetime, timedelta, timezone

from boto3.dynamodb.types import TypeSerializer

ACCOUNTS = ["1000001", "1000002", "1000003"]
MERCHANTS = [f"shop|{number}" for number in range(6)]
MINUTE = 60


def made(works, cause):
    """The metric lines of a healthy sweep, and the causes with theirs."""
    connect_all(works)
    # The first tick has no sweep before it to measure.
    works.sweep()
    healthy = works.lines_of(works.sweep)
    assert healthy, "a sweep writes no metric line"
    causes = [
        *at_the_callback(works, cause),
        signing_in(works, cause),
        workers(works, cause),
        revocations(works, cause),
        *in_a_sweep(works, cause),
        cause("NoSweepFinished", stops_sweeps=True),
    ]
    return healthy, causes


def connect_all(works):
    """Six merchants under VK ID: more than a mass failure needs, and tokens that are bound to an address."""
    for name in ["connect", "callback"]:
        works.start(name, VK_FLOW="vk_id")
    for number, merchant in enumerate(MERCHANTS):
        works.connect(merchant, ACCOUNTS[number % 3])


def at_the_callback(works, cause):
    works.start("connect", VK_FLOW="classic")
    # Another secret than VK's, and one that is not there.
    for alarm, secret in [("AppRejectedAtConnect", "oidc-client-secret"), ("ConnectingFails", "no-such-secret")]:
        works.start("callback", VK_FLOW="classic", VK_CLIENT_SECRET_ID=secret)
        yield cause(alarm, lines=works.lines_of(works.consent(works.merchant("shop|9"), ACCOUNTS[0])), every=20 * MINUTE)
    works.start("callback", VK_FLOW="classic")
    callback = works.consent(works.merchant("shop|9"), ACCOUNTS[0])
    works.control("fault", value="down")
    lines = works.lines_of(callback)
    works.control("fault", value="none")
    yield cause("ProviderFails", lines=5 * lines, every=10 * MINUTE)


def signing_in(works, cause):
    works.start("login", OIDC_CLIENT_SECRET_ID="vk-client-secret")

    def fail():
        try:
            works.merchant("shop|9")
        except ValueError:
            pass

    lines = works.lines_of(fail)
    works.start("login")
    return cause("SignInFails", lines=5 * lines, every=10 * MINUTE)


def workers(works, cause):
    """Workers ask for a token whose key cannot be read."""
    works.start("token", TOKEN_KEYS_SECRET_ID="no-such-secret")
    lines = works.lines_of(lambda: works.invoke("token", {"user_id": MERCHANTS[0], "provider": "vk"}))
    works.start("token")
    return cause("WorkersWait", lines=20 * lines, every=10 * MINUTE)


def revocations(works, cause):
    """Three accounts were disconnected half an hour ago, and VK has been down since."""
    works.control("fault", value="down")
    event = {"Records": [removal(row) for row in rows(works)[:3]]}
    lines = works.lines_of(lambda: works.invoke("revoke", event))
    works.control("fault", value="none")
    return cause("RevocationsFail", lines=lines, every=30 * MINUTE)


def removal(row):
    serialize = TypeSerializer().serialize
    image = {name: serialize(value) for name, value in row.items()}
    image["access_token"] = {"B": base64.b64encode(bytes(row["access_token"])).decode()}
    at = datetime.now(timezone.utc) - timedelta(minutes=40)
    keys = {name: image[name] for name in ["user_id", "provider"]}
    change = {"Keys": keys, "OldImage": image, "SequenceNumber": "1", "ApproximateCreationDateTime": at.timestamp()}
    return {"eventID": "e", "eventName": "REMOVE", "eventSource": "aws:dynamodb", "dynamodb": change}


def in_a_sweep(works, cause):
    """In an order in which each leaves the connections as the next one needs them."""
    def found(alarm):
        return cause(alarm, lines=works.lines_of(works.sweep), is_found_by_sweeps=True)

    with_change(works, "access_token", damaged)
    yield found("TokenUnreadable")
    with_change(works, "access_token", damaged)

    vk_answers(works, ACCOUNTS[:1], "8")
    yield found("AppRejectedAtSweep")
    vk_answers(works, ACCOUNTS[:1], "")

    works.control("change-address")
    yield found("AddressRefused")

    for row in rows(works):
        change(works, row, last_checked_at=ago(hours=4), last_attempt_at=ago(hours=4))
    # A captcha says nothing of a token.
    vk_answers(works, ACCOUNTS, "14")
    yield found("CheckOverdue")
    vk_answers(works, ACCOUNTS, "")

    # The address has changed, so that everybody was renewed today, and this sweep may renew nobody.
    lapse(works)
    works.start("health-check", VK_RENEWALS_PER_DAY="1")
    yield found("RenewalBudgetSpent")
    works.start("health-check")

    works.control("lose-answers", value="3")
    yield found("RenewalsLost")
    works.control("lose-answers", value="0")

    yield mass_failure(works, found)


def vk_answers(works, accounts, error):
    """Lets VK answer for these accounts with an error, or as it should."""
    for account in accounts:
        works.control("error", account=account, value=error)


def mass_failure(works, found):
    """Everybody's access is withdrawn at once. Whose tokens were lost before connects again first."""
    for name in ["connect", "callback"]:
        works.start(name, VK_FLOW="vk_id")
    for number, merchant in enumerate(MERCHANTS):
        works.connect(merchant, ACCOUNTS[number % 3])
    works.sweep()
    for account in ACCOUNTS:
        works.control("revoke", account=account)
    return found("MassFailure")


def lapse(works):
    """Lets every access token lapse, and its last proof of life be due for renewal."""
    for row in rows(works):
        change(works, row, access_expires_at=ago(hours=13), last_checked_at=ago(hours=13), last_attempt_at=ago(hours=13))


def with_change(works, name, changed):
    row = rows(works)[0]
    change(works, row, **{name: changed(row[name])})


def damaged(sealed):
    """Sealed tokens with their last byte flipped; once more, and they are whole."""
    return bytes(sealed)[:-1] + bytes([bytes(sealed)[-1] ^ 1])


def rows(works):
    return sorted(works.connections.scan()["Items"], key=lambda row: row["user_id"])


def change(works, row, **values):
    works.connections.update_item(
        Key={name: row[name] for name in ["user_id", "provider"]},
        UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
    )


def ago(hours):
    return f"{datetime.now(timezone.utc) - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
