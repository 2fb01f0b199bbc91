"""Runs the operator's commands as processes against moto, an emulated AWS."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import unittest
from datetime import datetime, timedelta, timezone
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import boto3
import requests
from moto.server import ThreadedMotoServer

OPS = Path(__file__).resolve().parents[2] / "infra" / "ops"
sys.path.insert(1, str(OPS.parents[1] / "e2e/infra"))

from cloudformation import load  # noqa: E402

STACK = "product"
REGION = "eu-central-1"
TOKEN = "sealed-token-of-this-test"
FINISHED = {"finished": True, "alive": 1}


class Account(unittest.TestCase):
    """An emulated account with the resources that a deployed stack's outputs name."""

    @classmethod
    def setUpClass(cls):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        cls.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.endpoint = "http://{}:{}".format(*cls.server.get_host_and_port())

    def setUp(self):
        requests.post(f"{self.endpoint}/moto-api/reset", timeout=10)
        requests.post(f"{self.endpoint}/moto-api/config", json={"lambda": {"use_docker": False}}, timeout=10)
        self.secrets, self.dynamodb, self.logs = map(self.client, ["secretsmanager", "dynamodb", "logs"])
        self.secrets.create_secret(Name="vk")
        self.secrets.create_secret(Name="vk-service-token")
        self.secrets.create_secret(Name="evotor")
        self.secrets.create_secret(Name="keys", SecretString=json.dumps({"current": "1", "1": "k" * 40}))
        self.logs.create_log_group(logGroupName="functions")
        self.logs.create_log_stream(logGroupName="functions", logStreamName="disconnect")
        self.create_table()
        self.create_function()
        outputs = {
            "VkClientSecretId": "vk",
            "VkServiceTokenId": "vk-service-token",
            "EvotorClientSecretId": "evotor",
            "TokenKeysSecretId": "keys",
            "ConnectionsTable": "connections",
            "SessionsTable": "sessions",
            "FunctionsLog": "functions",
            "HealthCheckFunction": "health-check",
        }
        self.create_stack(STACK, outputs, EventBusArn=self.client("events").create_event_bus(Name="evosync")["EventBusArn"])
        self.create_stack(f"{STACK}-without-bus", outputs, EventBusArn="")
        without = {name: value for name, value in outputs.items() if name != "EvotorClientSecretId"}
        self.create_stack(f"{STACK}-without-evotor", without, EventBusArn="")

    def create_stack(self, name, outputs, **parameters):
        template = {
            "Parameters": {parameter: {"Type": "String"} for parameter in parameters},
            "Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
            "Outputs": {output: {"Value": value} for output, value in outputs.items()},
        }
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        stacks = self.client("cloudformation")
        stacks.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=given)

    def create_table(self):
        keys = {"user_id": "HASH", "provider": "RANGE"}
        self.dynamodb.create_table(
            TableName="connections",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        )
        self.dynamodb.create_table(
            TableName="sessions",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        recovery = {"PointInTimeRecoveryEnabled": True}
        self.dynamodb.update_continuous_backups(TableName="connections", PointInTimeRecoverySpecification=recovery)

    def create_function(self):
        trust = {"Version": "2012-10-17", "Statement": []}
        role = self.client("iam").create_role(RoleName="sweep", AssumeRolePolicyDocument=json.dumps(trust))
        self.client("lambda").create_function(
            FunctionName="health-check",
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": b""},
        )

    def the_sweep_answers(self, *summaries):
        results = {"results": [json.dumps(summary) for summary in summaries], "region": REGION}
        requests.post(f"{self.endpoint}/moto-api/static/lambda-simple/response", json=results, timeout=10)

    def client(self, service):
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")

    def run_command(self, name, *arguments, typed=""):
        environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        return subprocess.run([OPS / name, *arguments], input=typed, env=environment, capture_output=True, text=True)

    def put_connection(self, user, generation="g1", sealed_with="1", connected_at=None, provider="vk", **more):
        texts = {"user_id": user, "provider": provider, "first_name": "Анна", "generation": generation, **more}
        if connected_at:
            texts["connected_at"] = connected_at
        row = {name: {"S": value} for name, value in texts.items()}
        sealed = b"\x01\x01" + sealed_with.encode() + TOKEN.encode()
        self.dynamodb.put_item(TableName="connections", Item={**row, "access_token": {"B": sealed}})

    def users(self):
        return sorted(row["user_id"]["S"] for row in self.dynamodb.scan(TableName="connections")["Items"])

    def secret(self, name):
        return self.secrets.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"]


def module(command):
    """Loads a command as a Python module."""
    sys.path.insert(0, str(OPS))
    loader = SourceFileLoader(command, str(OPS / command))
    loaded = module_from_spec(spec_from_loader(command, loader))
    loader.exec_module(loaded)
    return loaded


class Secrets(Account):
    # Each command with the secret and the variable that it sets.
    COMMANDS = {
        ("vk-secret", "set"): ("vk", "VK_CLIENT_SECRET"),
        ("vk-secret", "set-service-token"): ("vk-service-token", "VK_SERVICE_TOKEN"),
        ("evotor-secret", "set"): ("evotor", "EVOTOR_CLIENT_SECRET"),
    }

    def test_a_secret_is_read_from_input_and_never_printed(self):
        for command, (name, _) in self.COMMANDS.items():
            answer = self.run_command(*command, STACK, typed=f"value-for-{name}\n")
            self.assertEqual(answer.returncode, 0, answer.stderr)
            self.assertNotIn(f"value-for-{name}", answer.stdout + answer.stderr)
        for name, _ in self.COMMANDS.values():
            self.assertEqual(self.secret(name), f"value-for-{name}")

    def test_an_invalid_secret_is_rejected_and_the_old_one_stays(self):
        for command, (name, variable) in self.COMMANDS.items():
            self.run_command(*command, STACK, typed="the-secret")
            for typed in ["", "\n", "two words\n"]:
                answer = self.run_command(*command, STACK, typed=typed)
                self.assertNotEqual(answer.returncode, 0, typed)
                self.assertIn(f"cannot set {variable}", answer.stderr)
            self.assertEqual(self.secret(name), "the-secret")

    def test_the_answer_names_what_was_set(self):
        for command, (_, variable) in self.COMMANDS.items():
            self.assertEqual(self.run_command(*command, STACK, typed="x").stdout, f"{variable} of {STACK} is set\n")

    def test_any_other_call_is_told_how_to_call(self):
        for command, usage in [("vk-secret", "set|set-service-token <stack>"), ("evotor-secret", "set <stack>")]:
            for arguments in [(), ("set",), ("set-token", STACK), ("set", STACK, "the-secret")]:
                answer = self.run_command(command, *arguments, typed="the-secret")
                self.assertEqual((answer.returncode, answer.stderr), (2, f"usage: infra/ops/{command} {usage}\n"), arguments)
        for name, _ in self.COMMANDS.values():
            with self.assertRaises(self.secrets.exceptions.ResourceNotFoundException):
                self.secret(name)

    def test_a_stack_without_evotor_has_no_secret_of_it(self):
        answer = self.run_command("evotor-secret", "set", f"{STACK}-without-evotor", typed="the-secret")
        refused = f"stack {STACK}-without-evotor has no secret for Evotor: is evotor among its Providers?\n"
        self.assertEqual((answer.returncode, answer.stdout, answer.stderr), (1, "", refused))


class TokenKeys(Account):
    def keys(self):
        return json.loads(self.secret("keys"))

    def test_a_key_is_added_used_and_the_old_one_removed(self):
        answer = self.run_command("token-keys", "add", STACK)
        self.assertEqual(answer.stdout, "1  seals\n2  opens\n", answer.stderr)
        self.assertEqual((self.keys()["current"], len(self.keys()["2"])), ("1", 64))
        self.assertEqual(self.run_command("token-keys", "use", STACK, "2", "--settle", "0").stdout, "1  opens\n2  seals\n")
        self.assertEqual(self.run_command("token-keys", "remove", STACK, "1", "--now", "--settle", "0").stdout, "2  seals\n")
        self.assertEqual(sorted(self.keys()), ["2", "current"])

    def test_a_key_that_a_restored_table_may_need_is_not_removed(self):
        self.run_command("token-keys", "add", STACK)
        self.run_command("token-keys", "use", STACK, "2", "--settle", "0")
        answer = self.run_command("token-keys", "remove", STACK, "1", "--settle", "0")
        self.assertNotEqual(answer.returncode, 0)
        self.assertIn("a table restored", answer.stderr)
        self.assertIn("1", self.keys())

    def test_a_recent_change_of_keys_blocks_the_next_one(self):
        self.run_command("token-keys", "add", STACK)
        for arguments in [("use", STACK, "2"), ("remove", STACK, "2", "--now")]:
            answer = self.run_command("token-keys", *arguments)
            self.assertNotEqual(answer.returncode, 0, arguments)
            self.assertIn("not every function knows", answer.stderr)
        self.assertEqual((self.keys()["current"], len(self.keys())), ("1", 3))

    def test_a_change_that_was_made_meanwhile_is_not_lost(self):
        """Two operators read the same keys; the one who writes last is told, and changes nothing."""
        command = module("token-keys")
        read = self.secrets.get_secret_value(SecretId="keys")["VersionId"]
        self.run_command("token-keys", "add", STACK)
        before = self.keys()
        with self.assertRaises(SystemExit) as refused:
            command.put(self.secrets, "keys", read, {"current": "1", "1": "k" * 40, "2": "of the second operator"})
        self.assertIn("changed by somebody else meanwhile", str(refused.exception))
        self.assertEqual(self.keys(), before)
        versions = self.secrets.list_secret_version_ids(SecretId="keys")["Versions"]
        stages = {stage for version in versions for stage in version.get("VersionStages", [])}
        self.assertEqual(stages, {"AWSCURRENT", "AWSPREVIOUS"})

    def test_no_key_is_printed(self):
        answers = [self.run_command("token-keys", command, STACK) for command in ["add", "show"]]
        shown = "".join(answer.stdout + answer.stderr for answer in answers)
        for key in self.keys().values():
            self.assertFalse(len(key) > 1 and key in shown)

    def test_a_key_that_a_token_is_sealed_with_is_not_removed(self):
        self.run_command("token-keys", "add", STACK)
        self.run_command("token-keys", "use", STACK, "2", "--settle", "0")
        for sealed_with, stays in [("1", True), ("2", False)]:
            self.put_connection("anna", sealed_with=sealed_with)
            answer = self.run_command("token-keys", "remove", STACK, "1", "--now", "--settle", "0")
            self.assertEqual((answer.returncode != 0, "1" in self.keys()), (stays, stays), answer.stderr)
        self.assertNotIn(TOKEN, answer.stdout + answer.stderr)

    def test_an_error_names_the_current_or_unknown_key(self):
        for arguments in [("remove", STACK, "1"), ("remove", STACK, "7"), ("use", STACK, "7"), ("use", STACK, "current")]:
            answer = self.run_command("token-keys", *arguments, "--settle", "0")
            self.assertNotEqual(answer.returncode, 0, arguments)
            self.assertIn(f"key {arguments[2]}", answer.stderr)
        self.assertEqual(sorted(self.keys()), ["1", "current"])


class Mistakes(Account):
    def test_an_error_names_a_missing_stack_in_at_most_two_lines(self):
        for command in [
            ("output", "nobody", "Address"), ("vk-secret", "set", "nobody"), ("vk-secret", "set-service-token", "nobody"),
            ("evotor-secret", "set", "nobody"),
            ("sweep", "nobody"), ("connection", "nobody", "anna"),
            ("token-keys", "show", "nobody"), ("restore-connections", "nobody", "2026-11-22T04:15:00Z"),
        ]:
            answer = self.run_command(*command, typed="a-secret")
            self.assertNotEqual(answer.returncode, 0, command)
            self.assertIn("nobody", answer.stderr)
            self.assertLess(len(answer.stderr.strip().splitlines()), 3, answer.stderr)


class SweepState(Account):
    def test_one_parameter_is_changed_and_the_others_stay(self):
        template = {"Parameters": {name: {"Type": "String"} for name in ["SweepState", "VkClientId"]}, "Resources": {
            "Table": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "SweepState"}}},
        }, "Outputs": {name: {"Value": name} for name in ["ConnectionsTable", "TokenKeysSecretId"]}}
        given = [{"ParameterKey": "SweepState", "ParameterValue": "ENABLED"}, {"ParameterKey": "VkClientId", "ParameterValue": "7"}]
        stacks = self.client("cloudformation")
        stacks.create_stack(StackName="running", TemplateBody=json.dumps(template), Parameters=given)
        for state in ["DISABLED", "ENABLED"]:
            answer = self.run_command("sweep-state", "running", state)
            self.assertEqual((answer.returncode, answer.stdout), (0, f"the sweep of running is {state}\n"), answer.stderr)
            [stack] = stacks.describe_stacks(StackName="running")["Stacks"]
            parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
            self.assertEqual(parameters, {"SweepState": state, "VkClientId": "7"})

    def test_a_stack_that_takes_no_change_is_named_with_what_stops_the_sweep_all_the_same(self):
        command = module("sweep-state")
        outputs = {"ConnectionsTable": "c", "TokenKeysSecretId": "k", "HealthCheckFunction": "health-check"}
        stack = {"StackStatus": "UPDATE_ROLLBACK_FAILED", "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]}
        for name in ["outputs_of", "described"]:
            self.addCleanup(setattr, command, name, getattr(command, name))
        command.outputs_of, command.described = lambda _: outputs, lambda _: stack
        with self.assertRaisesRegex(SystemExit, "put-function-concurrency --function-name health-check"):
            command.run(STACK, "DISABLED")

    def test_no_other_state_is_known(self):
        self.assertEqual(self.run_command("sweep-state", STACK, "OFF").returncode, 2)


class Sweep(Account):
    def put_run(self, **attributes):
        texts = {"id": "sweep:run", "run_id": "r1", **attributes}
        self.dynamodb.put_item(TableName="sessions", Item={name: {"S": value} for name, value in texts.items()})

    def test_a_sweep_without_workers_prints_its_answer(self):
        self.the_sweep_answers(FINISHED)
        answer = self.run_command("sweep", STACK)
        self.assertEqual((answer.returncode, json.loads(answer.stdout)), (0, FINISHED), answer.stderr)

    def test_a_sweep_by_workers_prints_the_summary_of_its_run(self):
        self.the_sweep_answers({"run": "r1", "finished": False})
        self.put_run(finished_at="2026-11-22T04:16:00Z", run_summary=json.dumps({**FINISHED, "run": "r1", "forced": True}))
        answer = self.run_command("sweep", STACK)
        self.assertEqual(json.loads(answer.stdout), {**FINISHED, "run": "r1", "forced": True}, answer.stderr)

    def test_the_schedules_sweep_is_waited_for_and_not_taken_for_the_operators(self):
        self.put_run(run_summary=json.dumps({**FINISHED, "run": "r1", "forced": False}))
        self.the_sweep_answers({"run": "r1", "finished": False}, FINISHED)
        answer = self.run_command("sweep", STACK)
        self.assertEqual(json.loads(answer.stdout), FINISHED, answer.stderr)

    def test_a_sweep_that_does_not_end_in_time_fails(self):
        self.the_sweep_answers({"run": "r1", "finished": False})
        self.put_run(run_summary=json.dumps({**FINISHED, "run": "the one before"}))
        answer = self.run_command("sweep", STACK, "--wait", "1")
        self.assertEqual((answer.returncode, answer.stdout), (1, ""))
        self.assertIn("has not ended", answer.stderr)

    def test_a_function_that_does_not_answer_is_left_to_its_work_and_its_run_is_waited_for(self):
        """As behind a NAT that has dropped the connection: nothing is asked twice, and the row tells the end."""
        asked = []

        def accept():
            while True:
                asked.append(silent.accept()[0])

        with socket.create_server(("127.0.0.1", 0)) as silent:
            threading.Thread(target=accept, daemon=True).start()
            os.environ["AWS_ENDPOINT_URL_LAMBDA"] = "http://{}:{}".format(*silent.getsockname())
            os.environ["AWS_ENDPOINT_URL"] = self.endpoint
            self.addCleanup(os.environ.pop, "AWS_ENDPOINT_URL_LAMBDA")
            self.addCleanup(os.environ.pop, "AWS_ENDPOINT_URL")
            command = module("sweep")
            command.boto3.setup_default_session(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
            command.PATIENCE = 1
            self.assertIsNone(command.begin_or_join("health-check"))
        self.assertEqual(len(asked), 1)
        self.put_run(run_summary=json.dumps({**FINISHED, "run": "r1", "forced": True}))
        self.assertEqual(command.run_of("sessions"), "r1")
        self.assertEqual(command.wait_for("r1", "sessions", time.monotonic() + 5), ({**FINISHED, "run": "r1", "forced": True}, True))

    def test_a_mass_failure_is_let_through_for_a_while(self):
        self.put_run()
        answer = self.run_command("allow-broken", STACK, "--minutes", "30")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        row = self.dynamodb.get_item(TableName="sessions", Key={"id": {"S": "sweep:run"}})["Item"]
        until = datetime.strptime(row["allow_until"]["S"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        self.assertLess(abs(until - datetime.now(timezone.utc) - timedelta(minutes=30)), timedelta(minutes=1))

    def test_nothing_is_let_through_before_the_first_sweep_or_for_ever(self):
        self.assertNotEqual(self.run_command("allow-broken", STACK).returncode, 0)
        self.assertNotEqual(self.run_command("allow-broken", STACK, "--minutes", "100000").returncode, 0)


class Connection(Account):
    def test_a_connection_is_shown_without_its_token(self):
        self.put_connection("demo|anna")
        answer = self.run_command("connection", STACK, "demo|anna")
        self.assertEqual(json.loads(answer.stdout)["first_name"], {"S": "Анна"}, answer.stderr)
        self.assertNotIn("access_token", answer.stdout)

    def test_the_accounts_number_is_shown_whichever_the_provider(self):
        for provider in ["vk", "evotor"]:
            number = f"{provider}_user_id"
            self.put_connection("demo|anna", provider=provider, **{number: "42"})
            row = json.loads(self.run_command("connection", STACK, "demo|anna", provider).stdout)
            self.assertEqual((row["provider"], row[number]), ({"S": provider}, {"S": "42"}))

    def test_a_renewal_under_way_is_shown(self):
        self.put_connection("demo|anna")
        claim = {"id": {"S": "1f"}, "at": {"S": "2026-11-22T04:16:00Z"}}
        self.dynamodb.update_item(
            TableName="connections",
            Key={"user_id": {"S": "demo|anna"}, "provider": {"S": "vk"}},
            UpdateExpression="SET renewal = :claim, token_seq = :count",
            ExpressionAttributeValues={":claim": {"M": claim}, ":count": {"N": "7"}},
        )
        row = json.loads(self.run_command("connection", STACK, "demo|anna").stdout)
        self.assertEqual((row["renewal"]["M"], row["token_seq"]), (claim, {"N": "7"}))

    def test_a_missing_connection_is_an_error(self):
        answer = self.run_command("connection", STACK, 'no"body')
        self.assertEqual((answer.returncode, answer.stdout), (1, ""))
        self.assertIn("no connection of no\"body at vk", answer.stderr)


class AnnounceConnections(Account):
    def test_every_connection_is_announced(self):
        for number in range(23):
            self.put_connection(f"shop|{number}")
        answer = self.run_command("announce-connections", STACK)
        self.assertEqual((answer.returncode, answer.stdout), (0, "announced 23\n"), answer.stderr)

    def test_a_snapshot_has_the_accounts_number_whichever_the_provider(self):
        command = module("announce-connections")
        for provider in ["vk", "evotor"]:
            self.assertIn(f"{provider}_user_id", command.SHOWN)
            row = {"user_id": "shop|7", "provider": provider, f"{provider}_user_id": "42"}
            entry = command.entry("evosync", {name: {"S": value} for name, value in row.items()}, datetime.now(timezone.utc))
            detail = json.loads(entry["Detail"])
            self.assertEqual((detail["provider"], detail["account_id"]), (provider, "42"))

    def test_a_stack_without_a_bus_is_an_error(self):
        answer = self.run_command("announce-connections", f"{STACK}-without-bus")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("EventBusArn", answer.stderr)

    def test_a_snapshot_has_only_documented_members_and_no_token(self):
        self.put_connection("shop|7", connected_at="2026-11-22T04:16:00Z")
        self.dynamodb.update_item(
            TableName="connections",
            Key={"user_id": {"S": "shop|7"}, "provider": {"S": "vk"}},
            UpdateExpression="SET vk_user_id = :account, is_online = :no, offline_reason = :reason",
            ExpressionAttributeValues={":account": {"S": "42"}, ":no": {"BOOL": False}, ":reason": {"S": "expired"}},
        )
        command = module("announce-connections")
        command.boto3.setup_default_session(
            region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
        )
        os.environ["AWS_ENDPOINT_URL"] = self.endpoint
        self.addCleanup(os.environ.pop, "AWS_ENDPOINT_URL")
        [(row, read_at)] = command.rows("connections")
        self.assertNotIn("access_token", row)
        detail = json.loads(command.entry("evosync", row, read_at)["Detail"])
        self.assertEqual((detail["account_id"], detail["is_online"], detail["reason"]), ("42", "false", "expired"))
        documented = (OPS.parents[1] / "docs/events.md").read_text()
        for name in detail:
            self.assertIn(f"`{name}`", documented)


class Kept(Account):
    """What is left of a stack that was deleted by accident. moto makes no secrets by CloudFormation; the whole of it is
    tried in e2e/deploy."""

    def left(self):
        """Resources as a stack made them, by logical id."""
        key = self.client("kms").create_key()["KeyMetadata"]["Arn"]
        made = {"ConnectionsTable": "connections", "SessionsTable": "sessions", "SecretsKey": key.split("/")[-1]}
        for name in ["TokenKeys", "VkClientSecret", "VkServiceToken", "EvotorClientSecret"]:
            made[name] = self.secrets.create_secret(Name=f"kept-{name}", KmsKeyId=key)["ARN"]
        on = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        self.dynamodb.update_table(TableName="connections", StreamSpecification=on)
        return made

    def taken_up(self, left):
        command = module("kept")
        command.boto3.setup_default_session(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
        os.environ["AWS_ENDPOINT_URL"] = self.endpoint
        self.addCleanup(os.environ.pop, "AWS_ENDPOINT_URL")
        return command.taken_up(left)

    def test_what_is_left_is_named_by_the_parameters_that_take_it_up(self):
        left, declared = self.left(), load("template.yaml")["Parameters"]
        parameters = self.taken_up(left)
        self.assertEqual(parameters.keys(), {name for name in declared if name.startswith("Adopted")})
        for name, value in parameters.items():
            self.assertRegex(value, declared[name]["AllowedPattern"], name)
        self.assertEqual(parameters["AdoptedConnectionsTable"], "connections")
        self.assertIn(left["SecretsKey"], parameters["AdoptedSecretsKeyArn"])

    def test_without_evotor_its_secret_is_not_among_them(self):
        left = self.left()
        del left["EvotorClientSecret"]
        self.assertNotIn("AdoptedEvotorClientSecretArn", self.taken_up(left))

    def test_what_a_stack_had_itself_taken_up_is_taken_up_once_more(self):
        first = self.taken_up(self.left())
        command = module("kept")
        again = command.taken_up({**command.adopted_by({**first, "VkClientId": "7"}), "EvotorClientSecret": first["AdoptedEvotorClientSecretArn"]})
        self.assertEqual(again, first)

    def test_a_stack_that_was_not_deleted_has_left_nothing(self):
        answer = self.run_command("kept", STACK)
        self.assertEqual(answer.returncode, 1)
        self.assertIn(f"no deleted stack {STACK} is on record", answer.stderr)


class RestoreConnections(Account):
    def disconnect(self, user):
        """Leaves the table and log as a merchant's disconnection does."""
        self.lose(user)
        self.audit(user, event="disconnected", by="person")

    def lose(self, user):
        self.dynamodb.delete_item(TableName="connections", Key={"user_id": {"S": user}, "provider": {"S": "vk"}})

    def audit(self, user, **said):
        line = {"target": "audit", "user": user, "provider": "vk", **said}
        event = {"timestamp": int(datetime.now(timezone.utc).timestamp() * 1000), "message": json.dumps(line)}
        self.logs.put_log_events(logGroupName="functions", logStreamName="disconnect", logEvents=[event])

    def restore(self):
        since = f"{self.since:%Y-%m-%dT%H:%M:%SZ}"
        return self.run_command("restore-connections", STACK, since, "--settle", "0")

    def test_lost_rows_are_restored_and_disconnected_ones_are_not(self):
        for user in ["anna", "boris", "vera"]:
            self.put_connection(user)
        self.as_it_was()
        self.disconnect("boris")
        self.lose("vera")
        answer = self.restore()
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("copied 1, already there 1, disconnected since 1", answer.stdout)
        self.assertEqual(self.users(), ["anna", "vera"])

    def test_only_a_disconnection_by_the_merchant_prevents_a_restoration(self):
        happened = {
            "anna": {"event": "connected", "by": "person"},
            "boris": {"event": "reconnected", "by": "person"},
            "vera": {"event": "broken", "by": "sweep"},
            "gleb": {"event": "recovered", "by": "sweep"},
            "dina": {"event": "disconnected", "by": "operator"},
            "egor": {"event": "disconnected", "by": "person"},
            "zoya": {"event": "disconnected"},
        }
        for user in happened:
            self.put_connection(user)
        self.as_it_was()
        for user, said in happened.items():
            self.lose(user)
            self.audit(user, **said)
        self.assertIn("copied 5, already there 0, disconnected since 2", self.restore().stdout)
        self.assertEqual(self.users(), ["anna", "boris", "dina", "gleb", "vera"])

    def test_a_restored_row_is_marked_as_changed_by_an_operator(self):
        self.put_connection("anna")
        self.as_it_was()
        self.lose("anna")
        self.restore()
        [row] = self.dynamodb.scan(TableName="connections")["Items"]
        self.assertEqual((row["changed_by"], row["changed_in"]), ({"S": "operator"}, {"S": "restore-connections"}))

    def test_lines_of_the_log_that_are_no_json_are_passed_over(self):
        self.put_connection("anna")
        self.as_it_was()
        self.disconnect("anna")
        for message in ['REPORT "audit" "disconnected" Duration: 3 ms', '["audit", "disconnected"]']:
            event = {"timestamp": int(datetime.now(timezone.utc).timestamp() * 1000), "message": message}
            self.logs.put_log_events(logGroupName="functions", logStreamName="disconnect", logEvents=[event])
        answer = self.restore()
        self.assertIn("copied 0, already there 0, disconnected since 1", answer.stdout, answer.stderr)

    def test_every_day_of_the_log_is_read_once(self):
        command, now = module("restore-connections"), datetime.now(timezone.utc)
        read = []
        command.audited = lambda log, begin, end: read.append((begin, end)) or set()
        command.disconnected("functions", now - timedelta(days=35))
        read.sort()
        self.assertEqual((len(read), read[0][0]), (36, now - timedelta(days=35)))
        self.assertTrue(all(end == begin for (_, end), (begin, _) in zip(read, read[1:])))
        self.assertGreater(read[-1][1], datetime.now(timezone.utc))

    def test_a_tombstone_prevents_a_restoration_unless_the_row_is_newer(self):
        connected = {"anna": "2026-11-20T10:00:00Z", "boris": "2026-11-22T10:00:00Z", "vera": None}
        for user, time in connected.items():
            self.put_connection(user, connected_at=time)
        self.as_it_was()
        for user in connected:
            self.lose(user)
            tombstone = {"id": {"S": f"gone:{user}:vk"}, "gone_at": {"S": "2026-11-21T10:00:00Z"}}
            self.dynamodb.put_item(TableName="sessions", Item=tombstone)
        answer = self.restore()
        self.assertIn("copied 1, already there 0, disconnected since 2", answer.stdout, answer.stderr)
        self.assertEqual(self.users(), ["boris"])

    def test_existing_rows_are_newer_and_stay(self):
        self.put_connection("anna", generation="old")
        self.as_it_was()
        self.put_connection("anna", generation="new")
        self.restore()
        row = self.dynamodb.scan(TableName="connections")["Items"][0]
        self.assertEqual(row["generation"], {"S": "new"})

    def test_a_row_disconnected_during_the_restoration_is_deleted_unless_reconnected(self):
        command = module("restore-connections")
        for user, generation in [("anna", "copied"), ("boris", "new")]:
            self.put_connection(user, generation)
            row = {"user_id": {"S": user}, "provider": {"S": "vk"}, "generation": {"S": "copied"}}
            command.take_back(self.dynamodb, "connections", row)
        self.assertEqual(self.users(), ["boris"])

    def test_nothing_is_restored_without_a_log_of_disconnections(self):
        self.put_connection("anna")
        self.as_it_was()
        self.lose("anna")
        self.since -= timedelta(minutes=5)
        answer = self.restore()
        self.assertNotEqual(answer.returncode, 0)
        self.assertIn("the log begins at", answer.stderr)
        self.assertEqual(self.users(), [])

    def test_an_invalid_time_is_an_error(self):
        answer = self.run_command("restore-connections", STACK, "yesterday")
        self.assertIn("yesterday is not a time", answer.stderr)

    def as_it_was(self):
        """Restores now: moto ignores the time and copies the present table."""
        self.since = datetime.now(timezone.utc)
        name = f"connections-{self.since:%Y%m%dT%H%M%SZ}"
        self.dynamodb.restore_table_to_point_in_time(SourceTableName="connections", TargetTableName=name, UseLatestRestorableTime=True)


if __name__ == "__main__":
    unittest.main()
