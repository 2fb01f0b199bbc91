"""The AWS CLI, which every operator has: one process for each call."""

import json
import os
import subprocess


class AwsError(Exception):
    """A call that AWS or its CLI refused, with the last line of what it said."""


class Aws:
    """Calls with one profile, to one region; `region` is None where none is set."""

    def __init__(self, region, profile):
        self.profile = ["--profile", profile] if profile else []
        self.region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or self.configured()

    def configured(self):
        """The region of the profile. The SAM CLI and versions of the AWS CLI heed different variables, so it is told both."""
        return run(["aws", "configure", "get", "region", *self.profile]).stdout.strip() or None

    def options(self):
        """What leads the AWS and the SAM CLI to the same account and region."""
        return ["--region", self.region, *self.profile]

    def ask(self, *words, given=None):
        """The answer to a call, read as JSON; None where there is none."""
        answer = self.run(*words, "--output", "json", given=given)
        return json.loads(answer) if answer.strip() else None

    def run(self, *words, given=None):
        """What a call prints."""
        ran = run(["aws", *words, *self.options()], given)
        if ran.returncode != 0:
            said = ran.stderr.strip().splitlines() or [f"aws {words[0]} {words[1]} failed"]
            raise AwsError(said[-1])
        return ran.stdout

    def stack(self, name):
        """A stack as CloudFormation describes it; None where there is none."""
        try:
            return self.ask("cloudformation", "describe-stacks", "--stack-name", name)["Stacks"][0]
        except AwsError as error:
            if "does not exist" in str(error):
                return None
            raise


def run(command, given=None):
    try:
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise AwsError("the AWS CLI is not installed") from None


def parameters_of(stack):
    """The parameters that a described stack was deployed with, by name."""
    return {given["ParameterKey"]: given["ParameterValue"] for given in (stack or {}).get("Parameters", [])}
