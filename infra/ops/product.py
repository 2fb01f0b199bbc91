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


def parameters_of(stack):
    """The parameters that a stack of this product was deployed with, by name."""
    described = boto3.client("cloudformation").describe_stacks(StackName=stack)
    parameters = described["Stacks"][0].get("Parameters", [])
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in parameters}


def outputs_of(stack):
    """The outputs of a stack of this product, by name."""
    described = boto3.client("cloudformation").describe_stacks(StackName=stack)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0].get("Outputs", [])}
    if not {"ConnectionsTable", "TokenKeysSecretId"} <= outputs.keys():
        raise SystemExit(f"stack {stack} is not a stack of this product")
    return outputs
