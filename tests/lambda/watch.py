"""The functions' own binaries under `cargo lambda watch`, against moto's DynamoDB and Secrets Manager.

What the local stack runs in one process runs here as it runs in Lambda: a process per function, each
with the Runtime API, environment variables and AWS endpoint it is given.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import boto3
import requests

from journey import Journey
from services import OIDC_CLIENT_SECRET, VK_CLIENT_SECRET, free_port, process, simulators, wait_for

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1"}


def create_tables(endpoint):
    dynamodb = client("dynamodb", endpoint)
    for name, keys in {"connections": ["user_id", "provider"], "sessions": ["id"]}.items():
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ["HASH", "RANGE"])
            ],
        )


def create_secrets(endpoint):
    secrets = client("secretsmanager", endpoint)
    values = {
        "vk-client-secret": json.dumps({"VK_CLIENT_SECRET": VK_CLIENT_SECRET}),
        "oidc-client-secret": OIDC_CLIENT_SECRET,
        "token-keys": json.dumps({"current": "1", "1": "k" * 40}),
    }
    for name, value in values.items():
        secrets.create_secret(Name=name, SecretString=value)


def client(service, endpoint):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=CREDENTIALS["AWS_REGION"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def environment(product, endpoint, vk, issuer):
    return {
        **os.environ,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint,
        "BASE_URL": product,
        "CONNECTIONS_TABLE": "connections",
        "SESSIONS_TABLE": "sessions",
        "TOKEN_KEYS_SECRET_ID": "token-keys",
        "VK_CLIENT_ID": "7000001",
        "VK_CLIENT_SECRET_ID": "vk-client-secret",
        "VK_AUTHORIZE_URL": f"{vk}/authorize",
        "VK_TOKEN_URL": f"{vk}/access_token",
        "VK_API_URL": f"{vk}/method",
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": "evosync",
        "OIDC_CLIENT_SECRET_ID": "oidc-client-secret",
    }


def main():
    logs = Path(tempfile.mkdtemp(prefix="lambda-watch-"))
    product_port, moto_port = free_port(), free_port()
    product, endpoint = f"http://localhost:{product_port}", f"http://127.0.0.1:{moto_port}"
    moto = [Path(sys.executable).with_name("moto_server"), "-p", str(moto_port)]
    watch = ["cargo", "lambda", "watch", "--wait", "--ignore-changes", "--disable-cors", "-A", "127.0.0.1", "-P", str(product_port)]

    def sweep():
        invocation = f"{product}/2015-03-31/functions/health-check/invocations"
        answer = requests.post(invocation, json={}, timeout=300)
        answer.raise_for_status()
        return answer.json()

    with process(moto, logs / "moto.log") as child:
        wait_for(endpoint, child, logs / "moto.log")
        create_tables(endpoint)
        create_secrets(endpoint)
        with simulators(product, logs) as (vk, issuer):
            variables = environment(product, endpoint, vk, issuer)
            with process(watch, logs / "watch.log", env=variables) as child:
                wait_for(f"{product}/", child, logs / "watch.log", seconds=900)
                try:
                    passed = Journey(product, vk, issuer, sweep).walk()
                except Exception:
                    print((logs / "watch.log").read_text()[-6000:])
                    raise
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
