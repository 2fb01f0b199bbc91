"""Tests that the permissions in the templates equal the table in docs/security.md."""

import json
import re
import unittest

from cloudformation import PSEUDO, ROOT, deployed, listed, load, of_type

FUNCTIONS = {
    "page", "dashboard", "connect", "callback", "disconnect", "login", "assets", "health-check", "events", "revoke", "token",
}
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:issuer-AbCdEf"
# Actions that support no resource-level permissions.
WITHOUT_RESOURCE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
# What Lambda needs to connect a function to a network. It must be allowed on all resources.
NETWORK_INTERFACES = {
    "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
}
BUS_ARN = "arn:aws:events:eu-central-1:111122223333:event-bus/evosync"
EVOTOR = {"Providers": "evotor,vk", "EvotorClientId": "evotor-client"}
EGRESS = {"Egress": "existing", "EgressSubnetIds": "subnet-0a", "EgressSecurityGroupIds": "sg-0a"}
# Optional parameters, which conditions of the table name, with a value.
OPTIONAL = {"OidcClientSecretId": SECRET_ARN, "EventBusArn": BUS_ARN, **EGRESS, **EVOTOR}


def documented(given):
    """The rows of the table, as (who, action, resource, condition)."""
    text = (ROOT / "docs/security.md").read_text()
    lines = text.split("| who | may | on | when |\n", 1)[1].splitlines()[1:]
    rules = set()
    for line in lines:
        if not line.startswith("|"):
            break
        who, actions, resources, condition = (cell.strip() for cell in line.strip("|").split("|"))
        # Either `<name>` is given, or `Egress` is not `none`, or `Providers` is not `vk`.
        if any(f"`{name}` is " in condition for name in OPTIONAL.keys() - given.keys()):
            continue
        condition = "".join(re.findall(r"`([\w:]+ = [\w.<>:*-]+)`", condition))
        for name in FUNCTIONS if who == "every function" else {who}:
            for action in re.findall(r"`([^`]+)`", actions):
                for resource in re.findall(r"`([^`]+)`", resources):
                    rules.add((name, action, resource, condition))
    return rules


def roles(stack):
    """The users of each role: functions' folders, or `the schedule`."""
    resources = stack.everything()
    users = {}
    for name, function in of_type(resources, "AWS::Lambda::Function").items():
        users.setdefault(logical_id(function["Role"]), []).append(folder(name))
    for schedule in of_type(resources, "AWS::Scheduler::Schedule").values():
        users.setdefault(logical_id(schedule["Target"]["RoleArn"]), []).append("the schedule")
    return users, of_type(resources, "AWS::IAM::Role")


def granted(stack, effect="Allow"):
    """What the roles' policies allow, or deny, as (who, action, resource, condition)."""
    users, declared = roles(stack)
    rules = set()
    for role, properties in declared.items():
        for statement in statements(properties):
            if statement["Effect"] != effect:
                continue
            condition = condition_text(statement.get("Condition"))
            for who in users[role]:
                for action in listed(statement["Action"]):
                    for resource in listed(statement["Resource"]):
                        rules.add((who, action, logical_id(resource), condition))
    return rules


def statements(role):
    return [statement for policy in role.get("Policies", []) for statement in policy["PolicyDocument"]["Statement"]]


def condition_text(condition):
    if condition is None:
        return ""
    [(operator, [(key, value)])] = [(operator, list(keys.items())) for operator, keys in condition.items()]
    assert operator in {"StringEquals", "ForAllValues:StringLike", "ArnLike"}, operator
    text = f"{key} = {value}".replace(PSEUDO["AWS::Region"], "<region>")
    return re.sub(r"(?<=:)\d{12}(?=:)", "<account>", text)


def logical_id(reference):
    for name, given in OPTIONAL.items():
        if reference == given:
            return name
    return re.sub(r"^<(\w+(?:\.StreamArn)?)(?:\.(?:Arn|Id))?>$", r"\1", reference)


def folder(function):
    """`HealthCheckFunction` lies in `health-check`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", function.removesuffix("Function")).lower()


class Permissions(unittest.TestCase):
    def setUp(self):
        self.stack = deployed(**OPTIONAL)
        self.resources = self.stack.everything()

    def test_granted_permissions_equal_the_documented_ones(self):
        for parameters in [{}, OPTIONAL, {**OPTIONAL, "Egress": "nat"}]:
            meant, is_ = documented(parameters), granted(deployed(**parameters))
            self.assertGreater(len(meant), 50)
            self.assertEqual(is_ - meant, set(), "granted and not documented")
            self.assertEqual(meant - is_, set(), "documented and not granted")

    def test_every_function_has_a_role_of_its_own(self):
        users, declared = roles(self.stack)
        self.assertEqual(sorted(sum(users.values(), [])), sorted([*FUNCTIONS, "the schedule"]))
        self.assertEqual(sorted(users), sorted(declared))
        for role, who in users.items():
            self.assertEqual(len(who), 1, f"{role} is shared by {who}")

    def test_a_role_has_only_its_own_policy(self):
        for kind in ["AWS::IAM::Policy", "AWS::IAM::RolePolicy"]:
            self.assertEqual(of_type(self.resources, kind), {})
        for name, role in roles(self.stack)[1].items():
            self.assertEqual(role.keys(), {"AssumeRolePolicyDocument", "Policies"}, name)

    def test_tokens_are_handed_to_the_workers_roles_and_to_nobody_else(self):
        for given, roles_ in [({}, None), ({"WorkerRoleNames": "sync,import"}, ["sync", "import"])]:
            stack = deployed(**given)
            resources, outputs = stack.everything(), stack.outputs()
            self.assertEqual((outputs["TokenFunction"], outputs["TokensForWorkers"]), ("<TokenFunction>", "<TokensForWorkers>"))
            [policy] = of_type(resources, "AWS::IAM::ManagedPolicy").values()
            self.assertEqual(policy.get("Roles"), roles_)
            [statement] = policy["PolicyDocument"]["Statement"]
            self.assertEqual(statement, {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "<TokenFunction.Arn>"})
            for kind in ["AWS::Lambda::Permission", "AWS::Lambda::Url", "AWS::Lambda::EventSourceMapping"]:
                for name, resource in of_type(resources, kind).items():
                    self.assertNotIn("TokenFunction", str(resource), name)
            for name, integration in of_type(resources, "AWS::ApiGatewayV2::Integration").items():
                self.assertNotIn("TokenFunction", str(integration), name)

    def test_a_role_is_assumed_only_by_its_service(self):
        users, declared = roles(self.stack)
        for name, role in declared.items():
            [statement] = role["AssumeRolePolicyDocument"]["Statement"]
            is_schedule = users[name] == ["the schedule"]
            service = "scheduler" if is_schedule else "lambda"
            self.assertEqual(statement["Principal"], {"Service": f"{service}.amazonaws.com"})
            self.assertEqual(statement["Action"], "sts:AssumeRole")
            if is_schedule:
                self.assertEqual(condition_text(statement["Condition"]), "aws:SourceAccount = 111122223333")

    def test_no_permission_has_an_avoidable_wildcard(self):
        for name, role in roles(self.stack)[1].items():
            for statement in statements(role):
                self.assertFalse({"NotAction", "NotResource"} & statement.keys(), name)
                actions, resources = listed(statement["Action"]), listed(statement["Resource"])
                self.assertNotIn("*", "".join(actions), name)
                if not set(actions) <= WITHOUT_RESOURCE and not set(actions) <= NETWORK_INTERFACES:
                    self.assertNotIn("*", "".join(resources), f"{name}: {actions}")

    def test_network_interfaces_are_handled_by_lambda_and_never_by_a_functions_code(self):
        code = "lambda:SourceFunctionArn = arn:aws:lambda:<region>:<account>:function:*"
        for egress in [EGRESS, {"Egress": "nat"}]:
            stack = deployed(**egress)
            connected = {
                folder(name)
                for name, function in of_type(stack.everything(), "AWS::Lambda::Function").items()
                if "VpcConfig" in function
            }
            everything = {(who, action) for who in connected for action in NETWORK_INTERFACES}
            allowed = {(who, action) for who, action, *_ in granted(stack) if action.startswith("ec2:")}
            self.assertEqual(allowed, everything)
            self.assertEqual(granted(stack, "Deny"), {(*rule, "*", code) for rule in everything})
        without = granted(deployed()) | granted(deployed(), "Deny")
        self.assertEqual({rule for rule in without if rule[1].startswith("ec2:")}, set())

    def test_only_the_functions_that_need_one_read_a_secret(self):
        readers = {who for who, action, _, _ in granted(self.stack) if action.startswith(("secretsmanager:", "kms:"))}
        self.assertEqual(readers, {"callback", "health-check", "login", "revoke", "token"})
        readers = {who for who, action, _, _ in granted(deployed()) if action.startswith(("secretsmanager:", "kms:"))}
        self.assertEqual(readers, {"callback", "health-check", "revoke", "token"}, "a public client has no secret to read")

    def test_what_proves_the_application_to_vk_is_read_only_where_it_is_used(self):
        rules = granted(self.stack)
        for secret, expected in [("VkClientSecret", {"callback"}), ("VkServiceToken", {"callback", "health-check", "token"})]:
            readers = {who for who, action, resource, _ in rules if action == "secretsmanager:GetSecretValue" and resource == secret}
            self.assertEqual(readers, expected, secret)

    def test_what_proves_the_application_to_evotor_is_there_and_read_only_where_evotor_is_listed(self):
        readers = {"callback", "health-check", "token"}
        for given, listed_, expected in [
            ({}, False, set()),
            (EVOTOR, True, readers),
            ({**EVOTOR, "Providers": "evotor", "VkClientId": ""}, True, readers),
        ]:
            stack = deployed(**given)
            resources = stack.everything()
            self.assertEqual("EvotorClientSecret" in resources, listed_, given)
            self.assertEqual("EvotorClientSecretId" in stack.outputs(), listed_, given)
            self.assertNotIn("", {resource for _, _, resource, _ in granted(stack)}, given)
            rules = {rule for rule in granted(stack) if "evotor" in str(rule).lower()}
            secret = ("secretsmanager:GetSecretValue", "EvotorClientSecret", "")
            self.assertEqual(rules, {(who, *secret) for who in expected}, given)
            told = {
                folder(name): function["Environment"]["Variables"]["EVOTOR_CLIENT_SECRET_ID"]
                for name, function in of_type(resources, "AWS::Lambda::Function").items()
                if "EVOTOR_CLIENT_SECRET_ID" in function.get("Environment", {}).get("Variables", {})
            }
            self.assertEqual(told, dict.fromkeys(readers, "<EvotorClientSecret.Id>" if listed_ else ""), given)

    def test_policies_of_keys_topics_and_queues_allow_no_other_principal(self):
        root = "arn:aws:iam::111122223333:root"
        for key in of_type(self.resources, "AWS::KMS::Key").values():
            for statement in key["KeyPolicy"]["Statement"]:
                if statement["Principal"] != {"AWS": root}:
                    self.assertEqual(statement["Principal"], {"Service": "cloudwatch.amazonaws.com"})
                    self.assertNotIn("*", "".join(statement["Action"]))
                    self.assertEqual(condition_text(statement["Condition"]), "aws:SourceAccount = 111122223333")
        for topic in of_type(self.resources, "AWS::SNS::TopicPolicy").values():
            [statement] = topic["PolicyDocument"]["Statement"]
            self.assertEqual(statement["Principal"], {"Service": "cloudwatch.amazonaws.com"})
            self.assertEqual(statement["Action"], "sns:Publish")
            self.assertEqual(condition_text(statement["Condition"]), "aws:SourceAccount = 111122223333")
        for policy in of_type(self.resources, "AWS::SQS::QueuePolicy").values():
            self.assertEqual({statement["Effect"] for statement in policy["PolicyDocument"]["Statement"]}, {"Deny"})

    def test_queues_are_reached_only_over_tls(self):
        unguarded = of_type(self.resources, "AWS::SQS::Queue").keys()
        for policy in of_type(self.resources, "AWS::SQS::QueuePolicy").values():
            # An SQS policy applies to one queue, and its statements may name only that queue.
            [queue] = [logical_id(queue) for queue in policy["Queues"]]
            [statement] = policy["PolicyDocument"]["Statement"]
            self.assertEqual(statement["Resource"], f"<{queue}.Arn>")
            self.assertEqual((statement["Principal"], statement["Action"]), ("*", "sqs:*"))
            self.assertEqual(statement["Condition"], {"Bool": {"aws:SecureTransport": "false"}})
            unguarded -= {queue}
        self.assertEqual(unguarded, set())

    def test_a_function_is_invoked_only_by_its_own_routes(self):
        """One permission a route, for that method and path of this API."""
        permissions = of_type(self.resources, "AWS::Lambda::Permission").values()
        allowed = sorted((logical_id(given["FunctionName"]), given["SourceArn"]) for given in permissions)
        integrations = of_type(self.resources, "AWS::ApiGatewayV2::Integration")
        expected = []
        for route in of_type(self.resources, "AWS::ApiGatewayV2::Route").values():
            integration = integrations[logical_id(route["Target"].removeprefix("integrations/"))]
            path = re.sub(r"\{\w+\+?\}", "*", route["RouteKey"].replace(" ", ""))
            source = f"arn:aws:execute-api:eu-central-1:111122223333:<HttpApi>/*/{path}"
            expected.append((logical_id(integration["IntegrationUri"]), source))
        self.assertEqual(allowed, sorted(expected))
        for given in permissions:
            self.assertEqual(given["Action"], "lambda:InvokeFunction")
            self.assertEqual(given["Principal"], "apigateway.amazonaws.com")

    def test_the_sweep_has_no_route(self):
        integrations = of_type(self.resources, "AWS::ApiGatewayV2::Integration").values()
        targets = {integration["IntegrationUri"] for integration in integrations}
        permitted = {given["FunctionName"] for given in of_type(self.resources, "AWS::Lambda::Permission").values()}
        self.assertNotIn("<HealthCheckFunction.Arn>", targets)
        self.assertNotIn("<HealthCheckFunction>", permitted)
        self.assertEqual(of_type(self.resources, "AWS::Lambda::Url"), {})

    def test_no_secret_is_in_a_template(self):
        secrets = of_type(self.resources, "AWS::SecretsManager::Secret")
        for name, secret in secrets.items():
            self.assertNotIn("SecretString", secret, name)
            self.assertEqual(secret["KmsKeyId"], "<SecretsKey.Arn>", name)
        for name in ["VkClientSecret", "VkServiceToken", "EvotorClientSecret"]:
            self.assertNotIn("GenerateSecretString", secrets[name], "a value nobody set would look like one")
        generated = secrets["TokenKeys"]["GenerateSecretString"]
        self.assertEqual(json.loads(generated["SecretStringTemplate"]), {"current": "1"})
        self.assertEqual((generated["GenerateStringKey"], generated["PasswordLength"]), ("1", 64))
        for name, function in of_type(self.resources, "AWS::Lambda::Function").items():
            for variable, value in function.get("Environment", {}).get("Variables", {}).items():
                self.assertNotIn("{{resolve:", str(value), f"{name}: {variable}")
                if re.search("SECRET|SERVICE_TOKEN|KEY|PASSWORD", variable):
                    self.assertRegex(variable, "_(SECRET|TOKEN)_ID$", name)
        for path in ["template.yaml", *(str(path.relative_to(ROOT)) for path in (ROOT / "infra").glob("*.yaml"))]:
            for name, parameter in load(path).get("Parameters", {}).items():
                self.assertNotIn("NoEcho", parameter, f"{path}: {name} is a secret")


if __name__ == "__main__":
    unittest.main()
