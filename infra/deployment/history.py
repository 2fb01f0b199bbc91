"""What was deployed before: each deployment's packaged template and parameters, kept beside the code that they name.

The template is the one CloudFormation has, so that it names the uploaded code of that deployment; going back to it
needs neither a compiler nor the repository of that time.
"""

import json
import re
import subprocess
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from aws import AwsError, parameters_of
from told import ROOT, Refused

# Parameters that say how the stack is at this time, or what it holds: no rollback changes them.
OF_THE_STACK = ("SweepState", "Adopted")
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


class History:
    """The deployments of a stack, in the bucket that its code was uploaded to."""

    def __init__(self, aws, stack):
        self.aws = aws
        self.stack = stack
        self.present = self.read()
        code = re.search(r"s3://([^/\s\"]+)/", self.present["template"])
        if code is None:
            raise Refused(f"the template of {stack} names no bucket with its code: it was not deployed by infra/deploy")
        self.bucket = code[1]

    def read(self):
        """What the stack has now."""
        described = self.aws.stack(self.stack)
        if described is None:
            raise Refused(f"there is no stack {self.stack}")
        named = "--stack-name", self.stack
        body = self.aws.ask("cloudformation", "get-template", *named, "--template-stage", "Original")["TemplateBody"]
        tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
        template = body if isinstance(body, str) else json.dumps(body)
        return {"template": template, "parameters": parameters_of(described), "tags": tags}

    def keys(self, kind="deployments"):
        """The deployments that are kept, the latest first."""
        listed = self.aws.ask("s3api", "list-objects-v2", "--bucket", self.bucket, "--prefix", f"{self.stack}/{kind}/")
        return sorted((item["Key"] for item in (listed or {}).get("Contents", [])), reverse=True)

    def kept(self, key):
        return json.loads(self.aws.run("s3", "cp", f"s3://{self.bucket}/{key}", "-"))

    def keep(self):
        """Keeps what is deployed now, unless it is what was kept last. Returns its key."""
        newest = next(iter(self.keys()), None)
        if newest and is_same(self.kept(newest), self.present):
            return newest
        key = f"{self.stack}/deployments/{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}.json"
        text = json.dumps({**self.present, "revision": revision()})
        self.aws.run("s3", "cp", "-", f"s3://{self.bucket}/{key}", given=text)
        return key

    def before(self):
        """The key of the deployment before the present one, and those of what is to be withdrawn."""
        keys = self.keys()
        present = next((key for key in keys if is_same(self.kept(key), self.present)), None)
        older = keys[keys.index(present) + 1 :] if present else keys
        if not older:
            raise Refused(f"no deployment before this one is kept in s3://{self.bucket}/{self.stack}/deployments/")
        return older[0], keys[: keys.index(older[0])]

    def withdraw(self, keys):
        """Sets deployments aside that were gone back from, so that the next rollback does not go to them."""
        for key in keys:
            aside = key.replace("/deployments/", "/withdrawn/", 1)
            self.aws.run("s3", "mv", f"s3://{self.bucket}/{key}", f"s3://{self.bucket}/{aside}")


def roll_back(aws, stack, agree):
    """Deploys what was deployed before. `agree` is asked with a sentence, and answers whether to go on."""
    history = History(aws, stack)
    key, later = history.before()
    record = as_the_stack_is(history.kept(key), history.present["parameters"])
    differing = changes(history.present["parameters"], record["parameters"])
    sentence = f"back to {Path(key).stem}, revision {record['revision']}"
    if not agree("\n".join([sentence, *differing])):
        raise Refused("nothing was changed")
    deploy(aws, stack, history.bucket, record)
    history.withdraw(later)
    print(f"{stack} is {sentence}")


def as_the_stack_is(record, now):
    """A deployment that is to come back, with the parameters that are not its own as they are now."""
    then = record["parameters"]
    lost = [name for name, value in now.items() if name.startswith("Adopted") and value and name not in then]
    if lost:
        raise Refused(f"the deployment before knows nothing of {', '.join(lost)}, and would begin with empty tables")
    kept = {name: value for name, value in now.items() if name in then and name.startswith(OF_THE_STACK)}
    return {**record, "parameters": {**then, **kept}}


def changes(now, then):
    """What a rollback changes of the parameters, one to a line."""
    return [f"  {name}: {now.get(name)!r} -> {then.get(name)!r}" for name in sorted(now.keys() | then.keys()) if now.get(name) != then.get(name)]


def deploy(aws, stack, bucket, record):
    with tempfile.TemporaryDirectory() as folder:
        template, parameters = Path(folder) / "template.yaml", Path(folder) / "parameters.json"
        template.write_text(record["template"])
        parameters.write_text(json.dumps([f"{name}={value}" for name, value in record["parameters"].items()]))
        command = ["aws", "cloudformation", "deploy", "--stack-name", stack, "--template-file", str(template)]
        command += ["--parameter-overrides", f"file://{parameters}", "--capabilities", *CAPABILITIES]
        command += ["--s3-bucket", bucket, "--s3-prefix", f"{stack}/rollback", "--no-fail-on-empty-changeset"]
        # Without them the CLI would take away the stack's.
        tags = [f"{name}={value}" for name, value in record["tags"].items()]
        command += ["--tags", *tags] if tags else []
        if subprocess.run([*command, *aws.options()], check=False).returncode != 0:
            raise AwsError("the rollback failed; CloudFormation's events say why, and the stack is as it was")


def is_same(record, present):
    own = [{name: value for name, value in of["parameters"].items() if not name.startswith(OF_THE_STACK)} for of in (record, present)]
    return record["template"] == present["template"] and own[0] == own[1]


def revision():
    """The revision that is deployed, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return ran.stdout.strip() or "unknown"
