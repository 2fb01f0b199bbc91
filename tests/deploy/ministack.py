"""The product deployed by the operator's own commands to an emulated AWS, and a merchant's journey
through it: the SAM CLI, the functions' binaries, API Gateway, IAM, the schedule.

VK and the issuer are simulated beside it. What the emulator does not show (recovery, expiry,
encryption, throttling) is asserted on the templates in tests/infra.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(TESTS / "lambda"), str(TESTS / "infra")]

from cloudformation import deployed, load, of_type  # noqa: E402
from created import Created  # noqa: E402
from emulator import emulator, resolve_as_browsers_do  # noqa: E402
from journey import ACCOUNT, Journey  # noqa: E402
from services import (  # noqa: E402
    ARCHITECTURE,
    OIDC_CLIENT_SECRET,
    ROOT,
    TARGET,
    VK_CLIENT_SECRET,
    free_port,
    simulators,
)

STACK = "evosync"
# A schedule's shortest period, and then some.
NEXT_SWEEP = 100


class DeployedJourney(Journey):
    """The journey where the operator's command sweeps, and then the schedule does; what that one found
    is seen as merchants see it."""

    def a_revoked_token_is_found_by_the_sweep(self):
        self.browser.post(f"{self.vk}/control/revoke", data={"account": ACCOUNT}, timeout=30)
        deadline = time.monotonic() + NEXT_SWEEP
        while "Нужно переподключить" not in self.get("/connections").text:
            assert time.monotonic() < deadline, "no sweep of the schedule has found it"
            time.sleep(1)


class Deployment:
    """The product in the emulator, put there from a copy of what `infra/deploy` needs."""

    def __init__(self, aws, folder, ports):
        self.aws = aws
        self.folder = folder / "product"
        self.built = folder / "built"
        self.vk, self.issuer = (f"http://127.0.0.1:{port}" for port in ports)
        self.left_out = []
        self.parameters = {}

    def prepare(self):
        for name in ["infra", "samconfig.toml", "template.yaml"]:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            self.folder.mkdir(exist_ok=True)
            copy(ROOT / name, self.folder / name)
        self.leave_out_metric_math()
        for function in of_type(load("template.yaml")["Resources"], "AWS::Serverless::Function").values():
            name = Path(function["CodeUri"]).name
            (self.built / name).mkdir(parents=True)
            # Debug information is nine tenths of a debug build, and would be zipped and unzipped.
            subprocess.run(["strip", "-o", self.built / name / "bootstrap", TARGET / "debug" / name], check=True)

    def leave_out_metric_math(self):
        """The emulator refuses the alarms that calculate."""
        path = self.folder / "infra/observability.yaml"
        text = path.read_text()
        for name, alarm in of_type(load("infra/observability.yaml")["Resources"], "AWS::CloudWatch::Alarm").items():
            if "Metrics" in alarm:
                text = re.sub(rf"^  {name}:\n(    .*\n|\n)+", "", text, flags=re.M)
                text = re.sub(rf"^.*\$\{{{name}\.Arn}}.*\n", "", text, flags=re.M)
                self.left_out.append(name)
        path.write_text(text)

    def deploy(self):
        secret = self.aws.client("secretsmanager").create_secret(Name="issuer", SecretString=OIDC_CLIENT_SECRET)
        self.parameters = {
            "Architecture": ARCHITECTURE,
            "OidcClientId": "evosync",
            "OidcClientSecretId": secret["ARN"],
            "OidcIssuer": self.issuer,
            "SweepSchedule": "rate(1 minute)",
            "VkApiUrl": f"{self.vk}/method",
            "VkAuthorizeUrl": f"{self.vk}/authorize",
            "VkClientId": "7000001",
            "VkTokenUrl": f"{self.vk}/access_token",
        }
        overrides = [f'{name}="{value}"' for name, value in self.parameters.items()]
        command = ["infra/deploy", "default", "--stack-name", STACK, "--no-confirm-changeset"]
        self.run([*command, "--parameter-overrides", *overrides], BUILT=str(self.built))

    def set_the_secret(self):
        self.run(["infra/ops/vk-secret", "set", STACK], given=VK_CLIENT_SECRET)

    def run(self, command, given=None, **environment):
        ran = subprocess.run(
            command, cwd=self.folder, env={**self.aws.environment, **environment}, input=given,
            capture_output=True, text=True, check=False,
        )
        assert VK_CLIENT_SECRET not in ran.stdout + ran.stderr
        if ran.returncode != 0:
            raise SystemExit(f"{command[0]} failed:\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}")
        return ran.stdout

    def address(self):
        [stack] = self.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}["Address"]

    def sweep(self):
        return json.loads(self.run(["infra/ops/sweep", STACK]))


def step(name, action):
    started = time.monotonic()
    result = action()
    print(f"ok - {name} ({time.monotonic() - started:.0f} s)", flush=True)
    return result


def main():
    resolve_as_browsers_do()
    folder = Path(tempfile.mkdtemp(prefix="deploy-"))
    ports = free_port(), free_port()
    with emulator(folder) as aws:
        deployment = Deployment(aws, folder, ports)
        try:
            step("the functions are packed", deployment.prepare)
            step("infra/deploy deploys the product", deployment.deploy)
            step("infra/ops/vk-secret sets the secret", deployment.set_the_secret)
            address = deployment.address()
            with simulators(address, folder, ports) as (vk, issuer):
                journey = DeployedJourney(address, vk, issuer, deployment.sweep)
                journey.browser.verify = str(aws.certificate)
                passed = 3 + journey.walk()
            meant = deployed(**deployment.parameters)
            passed += Created(aws, STACK, meant, deployment.left_out).check()
        except BaseException:
            print(aws.log.read_text()[-6000:])
            raise
    print(f"# not created, since the emulator refuses metric math: {', '.join(deployment.left_out)}")
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
