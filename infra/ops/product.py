"""Functions shared by the operator's Python commands. Needs boto3."""

import os

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def operate(command, *arguments):
    """Runs a command in the region that the AWS CLI would use, and exits with one line if AWS rejects it."""
    boto3.setup_default_session(region_name=os.environ.get("AWS_REGION"))
    try:
        command(*arguments)
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(str(error)) from None


def described(stack):
    """A stack, by name or id, as CloudFormation describes it."""
    stacks = boto3.client("cloudformation")
    try:
        return stacks.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        where = f"in {stacks.meta.region_name}, of the account that the AWS CLI is signed in to"
        raise SystemExit(f"there is no stack {stack} {where}; `aws cloudformation list-stacks` shows what there is") from None


def parameters_of(stack):
    """The parameters that a stack of this product was deployed with, by name."""
    return {given["ParameterKey"]: given["ParameterValue"] for given in described(stack).get("Parameters", [])}


def outputs_of(stack):
    """The outputs of a stack of this product, by name."""
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described(stack).get("Outputs", [])}
    if not {"ConnectionsTable", "TokenKeysSecretId"} <= outputs.keys():
        raise SystemExit(f"stack {stack} is not a stack of this product")
    return outputs
