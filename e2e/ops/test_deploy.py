"""Runs infra/deploy as a process, with programs that stand for the AWS and SAM CLIs and for Rust's tools. What those
make of it is tried in the emulated account (e2e/deploy); here, what stands in the way of a deployment.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import stub

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(1, str(ROOT / "e2e/infra"))

from cloudformation import deployed, load, of_type  # noqa: E402

ARN = "arn:aws:acm:eu-central-1:111122223333:certificate/0"
# A machine and an account where nothing stands in the way.
FINE = {
    "aws sts get-caller-identity": {"Account": "111122223333", "Arn": "arn:aws:iam::111122223333:user/operator"},
    "aws lambda get-account-settings": {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}},
    "aws acm describe-certificate": {"Certificate": {"Status": "ISSUED", "DomainName": "shop.example"}},
    "aws configure get region": {"refuses": ""},
    "sam --version": "SAM CLI, version 1.170.0",
    "rustc --version": "rustc 1.99.0 (stable)",
    "rustc --print target-libdir": str(ROOT),
    "git describe": "abc1234",
    "zig version": "0.15.2",
}


# What another stack has left: the first of these needs all others.
ADOPTED = ["AdoptedConnectionsStreamArn", "AdoptedSessionsTable", "AdoptedSecretsKeyArn", "AdoptedTokenKeysArn", "AdoptedVkClientSecretArn", "AdoptedVkServiceTokenArn"]
# What a stack cannot do without, where no environment of samconfig.toml gives it.
GIVEN = ["VkClientId=7", "OidcIssuer=https://issuer.example", "OidcClientId=evosync"]


def with_what_is_needed(arguments):
    if not arguments or {"staging", "production", "--guided"} & set(arguments):
        return arguments
    own = arguments[arguments.index("--parameter-overrides") + 1 :] if "--parameter-overrides" in arguments else []
    rest = arguments[: len(arguments) - len(own) - 1] if own else arguments
    return [*rest, "--parameter-overrides", *GIVEN, *own]


class Deploying(unittest.TestCase):
    def run_deploy(self, *arguments, environment=None, typed="", keep=None, **answers):
        """Runs infra/deploy; `answers` take the place of FINE's."""
        self.folder = keep or Path(self.enterContext(tempfile.TemporaryDirectory()))
        if not keep:
            stub.create(self.folder, {**FINE, **answers})
        told = {"PATH": str(self.folder), "AWS_REGION": "eu-central-1", **(environment or {})}
        command = [ROOT / "infra/deploy", *with_what_is_needed(arguments)]
        told = {name: value for name, value in told.items() if value}
        self.ran = subprocess.run(command, env=told, input=typed, capture_output=True, text=True, check=False)
        return self.ran

    def called(self, program):
        return [call[1:] for call in stub.calls(self.folder) if call[0] == program]

    def assert_refused(self, what, mend):
        """That nothing was built or deployed, and that the operator reads why and what mends it."""
        self.assertEqual(self.ran.returncode, 2, self.ran.stdout + self.ran.stderr)
        self.assertIn(what, self.ran.stderr)
        self.assertIn(mend, self.ran.stderr)
        self.assertEqual([call for call in self.called("cargo") if "build" in call], [])
        self.assertEqual([call for call in self.called("sam") if "deploy" in call], [])


class Preflight(Deploying):
    def test_where_nothing_stands_in_the_way_it_says_where_it_goes_builds_and_deploys(self):
        ran = self.run_deploy("default", "--guided")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("account 111122223333, as arn:aws:iam::111122223333:user/operator\nregion eu-central-1\n", ran.stdout)
        self.assertIn("stack evosync-connections, new", ran.stdout)
        [build] = [call for call in self.called("cargo") if "build" in call]
        self.assertIn("--arm64", build)
        [deploy] = [call for call in self.called("sam") if "deploy" in call]
        for word in ["--no-fail-on-empty-changeset", "--guided", "eu-central-1"]:
            self.assertIn(word, deploy)

    def test_only_looking_builds_and_deploys_nothing(self):
        self.assertEqual(self.run_deploy("--check").returncode, 0, self.ran.stderr)
        self.assertIn("nothing stands in the way", self.ran.stdout)
        self.assertFalse([call for call in self.called("sam") if "deploy" in call])

    def test_only_building_asks_no_account(self):
        self.assertEqual(self.run_deploy("staging", "--build", environment={"AWS_REGION": ""}).returncode, 0, self.ran.stderr)
        self.assertIn("--arm64", self.called("cargo")[-1])
        self.assertEqual((self.called("aws"), self.called("sam")), ([], []))

    def test_called_with_nothing_it_says_how_it_is_used_and_does_nothing(self):
        ran = self.run_deploy()
        self.assertEqual((ran.returncode, stub.calls(self.folder)), (2, []))
        self.assertIn("infra/deploy <environment>", ran.stdout)

    def test_parameters_that_do_not_go_together_are_told_before_anything_is_built(self):
        for changes, rule in [
            (["VkFlow=vk_id"], "VkFlow=vk_id needs Egress=nat or existing"),
            (["OidcIssuer="], "Give OidcIssuer, or create a user pool"),
            (["CreateUserPool=true"], "A user pool needs UserPoolDomainPrefix"),
            (["Providers=evotor,vk"], "Providers with evotor needs EvotorClientId"),
        ]:
            self.run_deploy("default", "--parameter-overrides", *changes)
            self.assert_refused(rule, "parameter_overrides of default in samconfig.toml")

    def test_every_rule_of_the_template_is_judged(self):
        sys.path.insert(1, str(ROOT / "infra/deployment"))
        from rules import ASSERTION, COMPARISON, RULE, section

        declared = load("template.yaml")["Rules"]
        found = RULE.findall(section())
        self.assertEqual(len(found), len(declared))
        for (condition, assertions), rule in zip(found, declared.values()):
            told = ASSERTION.findall(assertions)
            self.assertEqual([" ".join(text.split()) for _, text in told], [each["AssertDescription"] for each in rule["Assertions"]])
            for comparison in [condition, *(assertion for assertion, _ in told)]:
                self.assertTrue(COMPARISON.fullmatch(comparison), comparison)

    def test_an_old_aws_cli_is_noted(self):
        for said, is_noted in [("aws-cli/1.46.3 Python/3.11", True), ("aws-cli/2.30.0 Python/3.13", False)]:
            self.run_deploy("--check", **{"aws --version": said})
            self.assertEqual("note: the AWS CLI is of version 1" in self.ran.stdout, is_noted)

    def test_an_unknown_environment_is_refused(self):
        self.run_deploy("nowhere")
        self.assert_refused("samconfig.toml has no environment nowhere", "")

    def test_what_is_to_be_filled_in_is_named(self):
        self.run_deploy("staging")
        self.assert_refused("VkClientId, UserPoolDomainPrefix, AlarmEmail", "fill them in")

    def test_all_that_stands_in_the_way_is_said_at_once(self):
        self.run_deploy("staging", **{"sam --version": {"refuses": ""}})
        self.assert_refused("VkClientId", "the SAM CLI is not installed")

    def test_a_file_of_roots_that_is_not_there_is_named(self):
        for parameter in ["VkRootsFile", "EvotorRootsFile"]:
            for written in [f"{parameter}=no-such.pem", f'{parameter}="no-such.pem"', f"ParameterKey={parameter},ParameterValue=no-such.pem"]:
                self.run_deploy("default", "--parameter-overrides", "Architecture=arm64", written)
                self.assert_refused(f"infra/roots has no no-such.pem, which {parameter} names", "infra/roots/README.md")

    def test_a_region_must_be_set_and_may_be_the_profiles(self):
        self.run_deploy("default", environment={"AWS_REGION": ""})
        self.assert_refused("no region is set", "export AWS_REGION")
        self.run_deploy("default", "--check", environment={"AWS_REGION": ""}, **{"aws configure get region": "eu-west-1"})
        self.assertIn("region eu-west-1", self.ran.stdout, self.ran.stderr)
        self.run_deploy("default", "--check", "--region", "eu-north-1")
        self.assertIn("region eu-north-1", self.ran.stdout, self.ran.stderr)

    def test_an_account_that_cannot_be_reached_is_said_so(self):
        self.run_deploy("default", **{"aws sts get-caller-identity": {"refuses": "Unable to locate credentials"}})
        self.assert_refused("cannot reach the account: Unable to locate credentials", "aws configure")

    def test_without_the_aws_cli_it_says_so(self):
        for environment in [{}, {"AWS_REGION": ""}]:
            folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
            stub.create(folder, FINE)
            (folder / "aws").unlink()
            self.run_deploy("default", keep=folder, environment=environment)
            self.assertNotEqual(self.ran.returncode, 0)
            self.assertIn("the AWS CLI is not installed", self.ran.stderr)
            self.assertNotIn("Traceback", self.ran.stderr)

    def test_a_new_account_is_no_obstacle_unless_concurrency_is_reserved(self):
        new = {"aws lambda get-account-settings": {"AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}}}
        self.assertEqual(self.run_deploy("--check", **new).returncode, 0, self.ran.stderr)
        self.assertIn("note: the account runs 10 functions at once", self.ran.stdout)
        for asked, count in [("SweepReservedConcurrency=matching", 3), ("FunctionReservedConcurrency=2", 14)]:
            self.run_deploy("default", "--parameter-overrides", asked, **new)
            quota = f"{count} concurrent executions are to be reserved, and the account's quota of 10 leaves 0"
            self.assert_refused(quota, "--quota-code L-B99A9384 --desired-value 1000")

    def test_what_the_stack_has_reserved_already_is_not_counted_again(self):
        full = {"aws lambda get-account-settings": {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 100}}}
        has = [{"ParameterKey": "SweepReservedConcurrency", "ParameterValue": "matching"}, {"ParameterKey": "SweepSegments", "ParameterValue": "2"}]
        there = {"aws cloudformation describe-stacks": {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": has}]}}
        self.assertEqual(self.run_deploy("--check", **full, **there).returncode, 0, self.ran.stderr)
        self.run_deploy("default", "--parameter-overrides", "SweepSegments=8", **full, **there)
        self.assert_refused("6 concurrent executions are to be reserved", "service-quotas")

    def test_defaults_reserve_nothing(self):
        for function in of_type(deployed().everything(), "AWS::Lambda::Function").values():
            self.assertNotIn("ReservedConcurrentExecutions", function)

    def test_as_many_functions_are_counted_as_the_template_reserves_for(self):
        functions = of_type(deployed(FunctionReservedConcurrency="5").everything(), "AWS::Lambda::Function").values()
        reserving = [function for function in functions if function.get("ReservedConcurrentExecutions") == "5"]
        self.assertIn(f"BEHIND_THE_API = {len(reserving)}\n", (ROOT / "infra/deployment/preflight.py").read_text())

    def test_a_certificate_must_be_issued_here_and_for_the_domain(self):
        domain = ["default", "--parameter-overrides", "DomainName=shop.example"]
        certificate = {"Status": "ISSUED", "DomainName": "shop.example", "SubjectAlternativeNames": ["shop.example"]}
        for arn, said, what, mend in [
            (ARN.replace("eu-central-1", "us-east-1"), {}, "the certificate is in us-east-1, and the API is in eu-central-1", "aws acm request-certificate --region eu-central-1"),
            (ARN, {"Status": "PENDING_VALIDATION"}, "the certificate is PENDING_VALIDATION", f"aws acm wait certificate-validated --certificate-arn {ARN}"),
            (ARN, {"DomainName": "other.example", "SubjectAlternativeNames": ["*.other.example"]}, "not for shop.example", "--domain-name shop.example"),
        ]:
            self.run_deploy(*domain, f"CertificateArn={arn}", **{"aws acm describe-certificate": {"Certificate": {**certificate, **said}}})
            self.assert_refused(what, mend)
        for names in [certificate, {**certificate, "DomainName": "x", "SubjectAlternativeNames": ["*.example"]}]:
            answers = {"aws acm describe-certificate": {"Certificate": names}}
            self.assertEqual(self.run_deploy(*domain, f"CertificateArn={ARN}", "--check", **answers).returncode, 0, self.ran.stderr)

    def test_a_stack_that_no_deployment_can_begin_from_is_named_with_the_way_out(self):
        for state, mend in [
            ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack --stack-name evosync-connections"),
            ("ROLLBACK_FAILED", "delete-stack"), ("DELETE_FAILED", "delete-stack"),
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"), ("UPDATE_IN_PROGRESS", "wait"),
        ]:
            self.run_deploy("default", **{"aws cloudformation describe-stacks": {"Stacks": [{"StackStatus": state}]}})
            self.assert_refused(f"stack evosync-connections is in {state}", mend)
        for state in ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"]:
            self.run_deploy("default", "--check", **{"aws cloudformation describe-stacks": {"Stacks": [{"StackStatus": state}]}})
            self.assertEqual(self.ran.returncode, 0, self.ran.stderr)

    def test_functions_are_built_for_what_is_told_or_for_what_the_stack_has(self):
        has = [{"ParameterKey": "Architecture", "ParameterValue": "x86_64"}]
        there = {"aws cloudformation describe-stacks": {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": has}]}}
        for told, answers, flag in [
            ([], {}, "--arm64"), ([], there, "--x86-64"),
            (["--parameter-overrides", "Architecture=arm64"], there, "--arm64"),
            (["--parameter-overrides", 'Architecture="x86_64"'], {}, "--x86-64"),
        ]:
            self.run_deploy("default", *told, **answers)
            [build] = [call for call in self.called("cargo") if "build" in call]
            self.assertIn(flag, build, told)

    def test_an_old_or_missing_tool_is_named_with_what_installs_it(self):
        for words, answer, what, mend in [
            ("sam --version", "SAM CLI, version 1.120.0", "the SAM CLI is too old", "infra/setup"),
            ("sam --version", {"refuses": ""}, "the SAM CLI is not installed", "infra/setup"),
            ("rustc --version", "rustc 1.80.0 (x)", "or later is needed, not rustc 1.80.0", "rustup update stable"),
            ("rustc --print target-libdir", "/nowhere/lib", "Rust cannot build for arm64", "rustup target add aarch64-unknown-linux-gnu"),
            ("cargo lambda --version", {"refuses": "no such command"}, "cargo-lambda is not installed", "infra/setup"),
            ("zig version", {"refuses": ""}, "zig, which links", "infra/setup"),
        ]:
            self.run_deploy("default", **{words: answer})
            self.assert_refused(what, mend)

    def test_what_is_built_already_needs_no_tools_to_build(self):
        self.run_deploy("--check", environment={"BUILT": "built"}, **{"rustc --version": {"refuses": ""}, "zig version": {"refuses": ""}})
        self.assertEqual(self.ran.returncode, 0, self.ran.stderr)


class Rollback(Deploying):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        stub.create(self.folder, FINE)

    def deployed(self, revision, **parameters):
        """Lets `sam deploy` leave a stack with this code, as CloudFormation then has it."""
        account = self.account()
        template = f"Resources:\n  PageFunction:\n    CodeUri: s3://artifacts/{revision}\n"
        account["stack"] = {"template": template, "parameters": {**dict(each.split("=", 1) for each in GIVEN), **parameters}, "tags": {"Product": "evosync"}}
        (self.folder / "account").write_text(json.dumps(account))
        self.again("default")
        self.assertEqual(self.ran.returncode, 0, self.ran.stderr)

    def again(self, *arguments, typed=""):
        return self.run_deploy(*arguments, typed=typed, keep=self.folder, environment={"BUILT": "built"})

    def account(self):
        path = self.folder / "account"
        return json.loads(path.read_text()) if path.exists() else {"objects": {}}

    def code(self):
        return self.account()["stack"]["template"].split("artifacts/")[1].strip()

    def test_the_deployment_before_comes_back_with_its_parameters_and_the_stack_keeps_its_tags(self):
        self.deployed("one", RenewAfter="12")
        self.deployed("two", RenewAfter="24")
        ran = self.again("--rollback", "--no-confirm-changeset")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("RenewAfter: '24' -> '12'", ran.stdout)
        self.assertEqual(self.code(), "one")
        self.assertEqual(self.account()["stack"]["parameters"]["RenewAfter"], "12")
        self.assertEqual(self.account()["stack"]["tags"], {"Product": "evosync"})

    def test_it_needs_no_compiler_and_no_sam(self):
        self.deployed("one")
        self.deployed("two")
        for name in ["sam", "cargo", "rustc", "zig", "git"]:
            (self.folder / name).unlink()
        self.assertEqual(self.again("--rollback", "--no-confirm-changeset").returncode, 0, self.ran.stderr)
        self.assertEqual(self.code(), "one")

    def test_a_second_rollback_goes_further_back_and_never_to_what_was_withdrawn(self):
        for revision in ["one", "two", "three"]:
            self.deployed(revision)
        for expected in ["two", "one"]:
            self.again("--rollback", "--no-confirm-changeset")
            self.assertEqual(self.code(), expected)
        self.deployed("four")
        self.again("--rollback", "--no-confirm-changeset")
        self.assertEqual(self.code(), "one")

    def test_a_stopped_sweep_stays_stopped_and_what_was_taken_up_stays_taken_up(self):
        self.deployed("one", SweepState="ENABLED", AdoptedConnectionsTable="", **dict.fromkeys(ADOPTED, ""))
        self.deployed("two", SweepState="ENABLED", AdoptedConnectionsTable="old", **dict.fromkeys(ADOPTED, "old"))
        account = self.account()
        account["stack"]["parameters"]["SweepState"] = "DISABLED"
        (self.folder / "account").write_text(json.dumps(account))
        self.again("--rollback", "--no-confirm-changeset")
        parameters = self.account()["stack"]["parameters"]
        self.assertEqual((self.code(), parameters["SweepState"], parameters["AdoptedConnectionsTable"]), ("one", "DISABLED", "old"))

    def test_a_build_that_cannot_take_up_what_was_left_is_refused(self):
        self.deployed("one")
        self.deployed("two", AdoptedConnectionsTable="old", **dict.fromkeys(ADOPTED, "old"))
        ran = self.again("--rollback", "--no-confirm-changeset")
        self.assertEqual((ran.returncode, self.code()), (2, "two"))
        self.assertIn("would begin with empty tables", ran.stderr)

    def test_a_parameter_that_the_next_deployment_would_bring_back_is_told(self):
        self.deployed("one", RenewAfter="12")
        self.deployed("two", RenewAfter="24")
        ran = self.again("default", "--rollback", "--no-confirm-changeset", "--parameter-overrides", "RenewAfter=24")
        self.assertIn("the next deployment brings it back:\n  RenewAfter=24\n", ran.stdout)
        self.assertNotIn("VkClientId", ran.stdout)

    def test_a_stack_that_is_stuck_is_not_gone_back_from(self):
        self.deployed("one")
        self.deployed("two")
        stack = {"StackStatus": "UPDATE_ROLLBACK_FAILED"}
        answers = {**FINE, "aws cloudformation describe-stacks": {"Stacks": [stack]}}
        (self.folder / "answers").write_text(json.dumps(answers))
        ran = self.again("--rollback", "--no-confirm-changeset")
        self.assertEqual((ran.returncode, self.code()), (2, "two"))
        self.assertIn("continue-update-rollback", ran.stderr)

    def test_a_person_is_asked_and_may_say_no(self):
        self.deployed("one")
        self.deployed("two")
        ran = self.again("--rollback", typed="n\n")
        self.assertEqual((ran.returncode, self.code()), (2, "two"))
        self.assertIn("revision abc1234", ran.stdout)
        self.again("--rollback", typed="y\n")
        self.assertEqual(self.code(), "one")

    def test_a_stack_whose_data_are_protected_is_itself_protected_and_no_other_is(self):
        for protection in ["true", "false", "true"]:
            self.deployed("one", DeletionProtection=protection)
            self.assertIs(self.account()["stack"].get("protected", False), protection == "true")

    def test_what_is_deployed_and_not_protected_or_kept_is_no_success(self):
        self.deployed("one", DeletionProtection="false")
        account = self.account()
        account["stack"]["template"] = "CodeUri: functions/page\n"
        (self.folder / "account").write_text(json.dumps(account))
        self.assertEqual(self.again("default").returncode, 1)
        self.assertIn("deployed, but", self.ran.stderr)

    def test_where_nothing_came_before_nothing_is_changed(self):
        self.deployed("one")
        ran = self.again("--rollback", "--no-confirm-changeset")
        self.assertEqual(ran.returncode, 2)
        self.assertIn("no deployment before this one is kept in s3://artifacts/evosync-connections/deployments/", ran.stderr)

    def test_the_same_deployment_is_kept_once(self):
        self.deployed("one")
        self.deployed("one")
        self.assertEqual(len(self.account()["objects"]), 1)

    def test_what_was_deployed_by_other_means_is_gone_back_from_as_well(self):
        self.deployed("one")
        account = self.account()
        account["stack"]["template"] = "CodeUri: s3://artifacts/by-hand\n"
        (self.folder / "account").write_text(json.dumps(account))
        self.again("--rollback", "--no-confirm-changeset")
        self.assertEqual(self.code(), "one")


if __name__ == "__main__":
    unittest.main()
