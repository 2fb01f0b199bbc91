"""Emulates an AWS account by moto, with the tables and secrets that functions need."""

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import boto3

from services import OIDC_CLIENT_SECRET, VK_CLIENT_SECRET, free_port, process, wait_for

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1"}


@contextmanager
def account(logs):
    """Runs moto until the block ends; yields its endpoint."""
    port, log = free_port(), logs / "moto.log"
    endpoint = f"http://127.0.0.1:{port}"
    with process([Path(sys.executable).with_name("moto_server"), "-p", str(port)], log) as child:
        wait_for(endpoint, child, log)
        create_tables(endpoint)
        create_secrets(endpoint)
        yield endpoint


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
        "FAILED_EVENTS_URL": f"{endpoint}/111122223333/failed-events",
        "VK_CLIENT_ID": "7000001",
        "VK_CLIENT_SECRET_ID": "vk-client-secret",
        "VK_AUTHORIZE_URL": f"{vk}/authorize",
        "VK_TOKEN_URL": f"{vk}/access_token",
        "VK_API_URL": f"{vk}/method",
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": "evosync",
        "OIDC_CLIENT_SECRET_ID": "oidc-client-secret",
    }
