"""Sync workers in the emulated account: a role that may ask for tokens, and one that may not."""

import json

from botocore.exceptions import ClientError

from account import worker
from emulator import ACCOUNT, REGION

WORKER, STRANGER = "sync-worker", "stranger"


def create_roles(aws):
    """Creates both roles. The deployment lets the worker's ask."""
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}
    for name in [WORKER, STRANGER]:
        aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))


def tokens_of(aws, role, function):
    """Tokens, asked for with a role's credentials."""
    asked = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}", "RoleSessionName": "worker"}
    given = aws.client("sts").assume_role(**asked)["Credentials"]
    return worker(
        function,
        endpoint_url=aws.endpoint,
        region_name=REGION,
        verify=str(aws.certificate),
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def refuse_a_stranger(aws, function, person):
    """A role without the policy is refused by IAM, before the function hears of it."""
    try:
        tokens_of(aws, STRANGER, function).get(person, "vk")
    except ClientError as error:
        assert error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}, error
        return
    raise AssertionError("a stranger was handed a token")
