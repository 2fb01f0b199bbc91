"""Deploys the product to an emulated AWS with the operator's own commands, and walks through a merchant's
journey: the SAM CLI, the functions' binaries, API Gateway, IAM, the schedule.

VK and the issuer are simulated. What the emulator does not support (recovery, expiry, encryption,
throttling) is tested on the templates in e2e/infra.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import requests

TESTS = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(TESTS / "lambda"), str(TESTS / "infra")]

from cloudformation import deployed, load, of_type  # noqa: E402
from created import Created, physical_ids  # noqa: E402
from emulator import emulator, resolve_as_browsers_do  # noqa: E402
from journey import PERSON, Journey  # noqa: E402
from journeys import ADDRESS, DeployedJourney, VkIdJourney  # noqa: E402
from providers import Evotor, Vk  # noqa: E402
from services import (  # noqa: E402
    ARCHITECTURE,
    BUILT,
    EVOTOR_CLIENT_SECRET,
    OIDC_CLIENT_SECRET,
    ROOT,
    VK_CLIENT_SECRET,
    VK_SERVICE_TOKEN,
    addresses,
    simulators,
    simulators_ports,
)
from workers import WORKER, create_roles, refuse_a_stranger, tokens_of  # noqa: E402

STACK = "evosync"
# The event pattern of docs/events.md.
PATTERN = {"source": ["evosync.connections"], "detail-type": [{"prefix": "Connection "}]}


class Deployment:
    """The product in the emulator, deployed from a copy of the files that `infra/deploy` needs."""

    def __init__(self, aws, folder, ports):
        self.aws = aws
        self.folder = folder / "product"
        self.built = folder / "built"
        self.simulated = SimpleNamespace(**addresses(ports))
        self.left_out = []
        self.received = None
        self.parameters = {}
        self.first_code = None

    def prepare(self):
        for name in ["infra", "samconfig.toml", "template.yaml"]:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            self.folder.mkdir(exist_ok=True)
            copy(ROOT / name, self.folder / name)
        self.leave_out_metric_math()
        for function in of_type(load("template.yaml")["Resources"], "AWS::Serverless::Function").values():
            name = Path(function["CodeUri"]).name
            (self.built / name).mkdir(parents=True)
            shutil.copy(BUILT / name / "bootstrap", self.built / name / "bootstrap")

    def leave_out_metric_math(self):
        """Removes the alarms with metric math, which the emulator rejects."""
        path = self.folder / "infra/observability.yaml"
        text = path.read_text()
        for name, alarm in of_type(load("infra/observability.yaml")["Resources"], "AWS::CloudWatch::Alarm").items():
            if "Metrics" in alarm:
                text = re.sub(rf"^  {name}:\n(    .*\n|\n)+", "", text, flags=re.M)
                text = re.sub(rf"^.*\$\{{{name}\.Arn}}.*\n", "", text, flags=re.M)
                self.left_out.append(name)
        path.write_text(text)

    def deploy(self):
        create_roles(self.aws)
        secret = self.aws.client("secretsmanager").create_secret(Name="issuer", SecretString=OIDC_CLIENT_SECRET)
        self.parameters = {
            "Architecture": ARCHITECTURE,
            # The emulator connects no function to a network, so the ids may be made up. It knows no NAT gateway.
            "Egress": "existing",
            "EgressAddress": ADDRESS,
            "EgressSecurityGroupIds": "sg-0c",
            "EgressSubnetIds": "subnet-0a,subnet-0b",
            "EventBusArn": self.bus(),
            "EvotorApiUrl": self.simulated.evotor,
            "EvotorAuthorizeUrl": f"{self.simulated.evotor}/oauth/authorize",
            "EvotorClientId": "evosync",
            "EvotorTokenUrl": f"{self.simulated.evotor}/oauth/token",
            "OidcClientId": "evosync",
            "OidcClientSecretId": secret["ARN"],
            "OidcIssuer": self.simulated.issuer,
            # From the start: the emulator cannot add a secret to a stack whose key it has made before.
            "Providers": "evotor,vk",
            "SweepEvery": "1",
            "VkApiUrl": f"{self.simulated.vk}/method",
            "VkAuthorizeUrl": f"{self.simulated.vk}/authorize",
            "VkClientId": "7000001",
            "VkFlow": "classic",
            "VkIdUrl": f"{self.simulated.vk}/id",
            "VkTokenUrl": f"{self.simulated.vk}/access_token",
            "WorkerRoleNames": WORKER,
        }
        self.run(self.deploying(self.parameters), BUILT=str(self.built))

    def deploying(self, parameters):
        """The command that deploys with these parameters."""
        overrides = [f'{name}="{value}"' for name, value in parameters.items()]
        command = ["infra/deploy", "default", "--stack-name", STACK, "--no-confirm-changeset"]
        return [*command, "--parameter-overrides", *overrides]

    def code_of_assets(self):
        """The digest of a function's code, as the account has it."""
        [function] = [found for found in self.aws.pages("lambda", "list_functions", "Functions") if "AssetsFunction" in found["FunctionName"]]
        return function["CodeSha256"]

    def parameter(self, name):
        return self.all_parameters()[name]

    def all_parameters(self):
        [stack] = self.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {given["ParameterKey"]: given["ParameterValue"] for given in stack["Parameters"]}

    def change_the_code(self):
        """Makes the next deployment bring other code: what follows an ELF file's end is not read."""
        self.first_code = self.code_of_assets()
        with open(self.built / "assets/bootstrap", "ab") as binary:
            binary.write(b"another build")

    def roll_back(self):
        assert (self.parameter("VkFlow"), self.code_of_assets() == self.first_code) == ("vk_id", False)
        said = self.run(["infra/deploy", "default", "--stack-name", STACK, "--no-confirm-changeset", "--rollback"])
        assert "VkFlow: 'vk_id' -> 'classic'" in said, said
        assert (self.parameter("VkFlow"), self.code_of_assets()) == ("classic", self.first_code)

    def deploy_nothing_new(self):
        """The same once more changes nothing, and is no failure."""
        self.run(self.deploying(self.parameters), BUILT=str(self.built))

    def stop_and_start_the_sweep(self, created):
        """By its parameter alone: all others, and the code, stay."""
        before = {**self.all_parameters(), "code": self.code_of_assets()}
        for state in ["DISABLED", "ENABLED"]:
            self.operate("sweep-state", state)
            schedule = self.aws.client("scheduler").get_schedule(Name=created.physical["Sweep"])
            assert schedule["State"] == state, schedule["State"]
            now = {**self.all_parameters(), "code": self.code_of_assets()}
            assert now == {**before, "SweepState": state}, now

    def is_protected(self):
        """Whether CloudFormation refuses to delete the stack."""
        try:
            self.aws.client("cloudformation").delete_stack(StackName=STACK)
        except self.aws.client("cloudformation").exceptions.ClientError as error:
            assert "TerminationProtection" in str(error), error
            return True
        return False

    def delete_by_accident(self):
        """Deletes the stack as somebody would who means it, and another stack. Between sweeps: the part of one that is
        interrupted stays leased for a quarter of an hour."""
        self.operate("sweep-state", "DISABLED")
        self.sweep()
        physical = physical_ids(self.aws, STACK)
        self.forbid_batches(physical)
        stacks = self.aws.client("cloudformation")
        stacks.update_termination_protection(StackName=STACK, EnableTerminationProtection=False)
        # The emulator heeds what is to be kept only in a stack that is deleted by itself.
        for stack in [physical["Data"], STACK]:
            stacks.delete_stack(StackName=stack)
            stacks.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})

    def take_up_what_is_left(self):
        """Deploys the product again, with the tables and secrets that were left, by the book."""
        printed = self.operate("kept")
        left = dict(line.strip().strip('",').split("=", 1) for line in printed.splitlines())
        assert len(left) == 8, printed
        self.parameters = {**self.parameters, **left}
        self.run(self.deploying(self.parameters), BUILT=str(self.built))
        self.permit_batches(physical_ids(self.aws, STACK))

    def switch_to_vk_id(self):
        self.change_the_code()
        self.run(self.deploying({**self.parameters, "VkFlow": "vk_id"}), BUILT=str(self.built))
        self.run(["infra/ops/vk-secret", "set-service-token", STACK], given=VK_SERVICE_TOKEN)

    def finds_the_callback_with_a_slash(self, certificate):
        """Evotor's documentation has one after the address."""
        address = f"{self.outputs()['Address']}/evotor/callback/?code=c"
        answer = requests.get(address, timeout=60, allow_redirects=False, verify=certificate)
        assert (answer.status_code, answer.headers.get("location")) == (303, "/evotor/callback?code=c"), answer.status_code

    def refuse_vk_id_without_a_stable_address(self):
        refused = self.attempt(self.deploying({**self.parameters, "VkFlow": "vk_id", "Egress": "none"}), BUILT=str(self.built))
        assert refused.returncode != 0
        assert "only from the address that obtained them" in refused.stdout + refused.stderr, refused.stderr

    def bus(self):
        """Creates an event bus, with a queue that subscribes to the product's events."""
        events, sqs = self.aws.client("events"), self.aws.client("sqs")
        bus = events.create_event_bus(Name="evosync")["EventBusArn"]
        self.received = sqs.create_queue(QueueName="received")["QueueUrl"]
        asked = {"QueueUrl": self.received, "AttributeNames": ["QueueArn"]}
        queue = sqs.get_queue_attributes(**asked)["Attributes"]["QueueArn"]
        rule = {"Name": "connections", "EventBusName": "evosync"}
        events.put_rule(**rule, EventPattern=json.dumps(PATTERN))
        events.put_targets(Rule="connections", EventBusName="evosync", Targets=[{"Id": "queue", "Arn": queue}])
        return bus

    def announced(self):
        """The events that the queue has received since the last call."""
        asked = {"QueueUrl": self.received, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}
        messages = self.aws.client("sqs").receive_message(**asked).get("Messages", [])
        for message in messages:
            self.aws.client("sqs").delete_message(QueueUrl=self.received, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def wait_for_events(self, *expected):
        """Waits until events of these types have arrived, in any order, and returns all that arrived."""
        arrived, deadline = [], time.monotonic() + 60
        while set(expected) - {event["detail-type"] for event in arrived}:
            assert time.monotonic() < deadline, f"{expected} have not arrived: {arrived}"
            arrived += self.announced()
        assert VK_CLIENT_SECRET not in str(arrived) and all("access_token" not in event["detail"] for event in arrived)
        return arrived

    def set_the_secrets(self):
        self.run(["infra/ops/vk-secret", "set", STACK], given=VK_CLIENT_SECRET)
        self.run(["infra/ops/evotor-secret", "set", STACK], given=EVOTOR_CLIENT_SECRET)

    def operate(self, command, *arguments):
        """Runs one of the operator's commands and returns its output. The stack follows the verb, if any."""
        verb, rest = (arguments[:1], arguments[1:]) if command == "token-keys" else ((), arguments)
        return self.run([f"infra/ops/{command}", *verb, STACK, *rest])

    def permit_batches(self, physical):
        """AWS asks for `dynamodb:PartiQLUpdate`, which the roles have. The emulator asks for another action."""
        statement = {"Effect": "Allow", "Action": "dynamodb:BatchExecuteStatement", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        policy = {"PolicyName": "what-only-the-emulator-asks-for", "PolicyDocument": document}
        for role in ["HealthCheckRole", "TokenRole"]:
            self.aws.client("iam").put_role_policy(RoleName=physical[role], **policy)

    def forbid_batches(self, physical):
        for role in ["HealthCheckRole", "TokenRole"]:
            policy = {"RoleName": physical[role], "PolicyName": "what-only-the-emulator-asks-for"}
            self.aws.client("iam").delete_role_policy(**policy)

    def tokens(self):
        """Tokens, asked for with the role of a worker."""
        return tokens_of(self.aws, WORKER, self.outputs()["TokenFunction"])

    def refuse_a_stranger(self):
        refuse_a_stranger(self.aws, self.outputs()["TokenFunction"], PERSON)

    def sweep(self):
        """Sweeps as the operator does, and returns the summary."""
        return json.loads(self.operate("sweep"))

    def parts_of_the_sweep(self, run):
        """A run's parts, by name, with their progress."""
        rows = self.aws.client("dynamodb").scan(TableName=self.outputs()["SessionsTable"])["Items"]
        parts = [row for row in rows if row["id"]["S"].startswith(f"sweep:{run}:")]
        return {row["id"]["S"].rsplit(":", 1)[1]: json.loads(row["part_progress"]["S"]) for row in parts if "part_progress" in row}

    def sweep_by_message(self, created):
        """Sends a message to the sweep. A handled message is in neither queue."""
        sqs = self.aws.client("sqs")
        sqs.send_message(QueueUrl=created.physical["SweepQueue"], MessageBody="{}")
        deadline = time.monotonic() + 60
        while self.messages(created, "SweepQueue"):
            assert time.monotonic() < deadline, "no sweep has handled the message"
            time.sleep(1)
        assert not self.messages(created, "SweepDeadLetters") and not self.messages(created, "FailedSweeps")

    def messages(self, created, queue):
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        asked = {"QueueUrl": created.physical[queue], "AttributeNames": counts}
        return sum(int(count) for count in self.aws.client("sqs").get_queue_attributes(**asked)["Attributes"].values())

    def run(self, command, given=None, **environment):
        ran = self.attempt(command, given, **environment)
        if ran.returncode != 0:
            raise SystemExit(f"{command[0]} failed:\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}")
        return ran.stdout

    def attempt(self, command, given=None, **environment):
        ran = subprocess.run(
            command, cwd=self.folder, env={**self.aws.environment, **environment}, input=given,
            capture_output=True, text=True, check=False,
        )
        output = ran.stdout + ran.stderr
        assert not [secret for secret in [EVOTOR_CLIENT_SECRET, VK_CLIENT_SECRET, VK_SERVICE_TOKEN] if secret in output]
        return ran

    def outputs(self):
        [stack] = self.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def step(name, action):
    started = time.monotonic()
    result = action()
    print(f"ok - {name} ({time.monotonic() - started:.0f} s)", flush=True)
    return result


def worst_day(deployment, created, address, vk, issuer, certificate):
    """Going back, and coming back from an accident with every connection. Returns the number of steps."""
    step("infra/deploy goes back to the deployment before, code and parameters", deployment.roll_back)
    step("deploying the same again is no failure", deployment.deploy_nothing_new)
    step("infra/ops/sweep-state stops the sweep and starts it", lambda: deployment.stop_and_start_the_sweep(created))
    merchant = Journey(address, vk, issuer, deployment.sweep, deployment.tokens())
    merchant.browser.verify = certificate
    merchant.signing_in_leads_back()
    merchant.connecting_shows_the_account_connected()
    assert step("a stack whose data are protected refuses to be deleted", deployment.is_protected)
    for which in ["the stack", "the stack that has taken things up"]:
        step(f"{which} is deleted nevertheless", deployment.delete_by_accident)
        step("infra/ops/kept and infra/deploy take up what is left", deployment.take_up_what_is_left)
        step("every connection is there, and its token opens", merchant.a_sweep_finds_the_token_alive)
    return 10


def main():
    resolve_as_browsers_do()
    ports = simulators_ports()
    with tempfile.TemporaryDirectory(prefix="deploy-") as name, emulator(Path(name)) as aws:
        folder = Path(name)
        deployment = Deployment(aws, folder, ports)
        try:
            step("the functions are packed", deployment.prepare)
            step("infra/deploy deploys the product", deployment.deploy)
            step("VK ID is refused without a stable address", deployment.refuse_vk_id_without_a_stable_address)
            created = Created(aws, STACK, deployed(**deployment.parameters), deployment.left_out)
            passed = 3 + created.check()
            deployment.permit_batches(created.physical)
            step("infra/ops/vk-secret and evotor-secret set the secrets", deployment.set_the_secrets)
            step("a message in the queue starts a sweep", lambda: deployment.sweep_by_message(created))
            step("a role without the policy may not ask for tokens", deployment.refuse_a_stranger)
            certificate = str(aws.certificate)
            step("a callback may end in a slash", lambda: deployment.finds_the_callback_with_a_slash(certificate))
            passed += 4
            address = deployment.outputs()["Address"]
            with simulators(address, folder, ports) as simulated:
                vk, issuer = Vk(simulated.vk), simulated.issuer
                journey = DeployedJourney(address, vk, issuer, deployment)
                journey.browser.verify = certificate
                passed += journey.walk()
                step("infra/deploy switches to VK ID", deployment.switch_to_vk_id)
                passed += 1
                for kind, provider in [(VkIdJourney, vk), (Journey, Evotor(simulated.evotor))]:
                    journey = kind(address, provider, issuer, deployment.sweep, deployment.tokens())
                    journey.browser.verify = certificate
                    passed += journey.walk()
                passed += worst_day(deployment, created, address, vk, issuer, certificate)
        except BaseException:
            print(aws.log.read_text()[-6000:])
            raise
    print(f"# not created, since the emulator refuses metric math: {', '.join(deployment.left_out)}")
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
