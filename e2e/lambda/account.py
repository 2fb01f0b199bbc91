"""The environment of functions that run against the simulators, and a worker that asks one of them for tokens."""

import os
import sys

import boto3

from services import ROOT

sys.path.append(str(ROOT / "clients/python"))
from evosync_tokens import BadRequest, NotConnected, Tokens  # noqa: E402, F401

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1"}


def environment(product, simulated):
    evotor, vk = simulated.evotor, simulated.vk
    return {
        **os.environ,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": simulated.aws,
        "BASE_URL": product,
        "CONNECTIONS_TABLE": "ConnectionsTable",
        "SESSIONS_TABLE": "SessionsTable",
        "TOKEN_KEYS_SECRET_ID": "token-keys",
        "FAILED_EVENTS_URL": f"{simulated.aws}/111122223333/failed-events",
        "PROVIDERS": "evotor,vk",
        "EVOTOR_CLIENT_ID": "evosync",
        "EVOTOR_CLIENT_SECRET_ID": "evotor-client-secret",
        "EVOTOR_AUTHORIZE_URL": f"{evotor}/oauth/authorize",
        "EVOTOR_TOKEN_URL": f"{evotor}/oauth/token",
        "EVOTOR_API_URL": evotor,
        "VK_CLIENT_ID": "7000001",
        "VK_CLIENT_SECRET_ID": "vk-client-secret",
        "VK_SERVICE_TOKEN_ID": "vk-service-token",
        "VK_AUTHORIZE_URL": f"{vk}/authorize",
        "VK_TOKEN_URL": f"{vk}/access_token",
        "VK_ID_URL": f"{vk}/id",
        "VK_API_URL": f"{vk}/method",
        "OIDC_ISSUER": simulated.issuer,
        "OIDC_CLIENT_ID": "evosync",
        "OIDC_CLIENT_SECRET_ID": "oidc-client-secret",
    }


def worker(function, **options):
    """Tokens from a function, asked for by boto3 as a worker's role would."""
    return Tokens(function, boto3.client("lambda", **options))


def locally(endpoint):
    """Options of boto3 for an endpoint that looks at no credentials."""
    return {
        "endpoint_url": endpoint,
        "region_name": CREDENTIALS["AWS_REGION"],
        "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }
