"""Compares the resources that a deployment created with the templates."""

import json
import re
from collections import Counter

from cloudformation import listed, of_type
from emulator import ACCOUNT
from test_permissions import OPTIONAL, condition_text, documented, folder, granted, logical_id

WEB = "AWS::ApiGatewayV2::"
# No route leads to these, and no other service may invoke them.
WITHOUT_ROUTE = {"HealthCheckFunction", "EventsFunction", "RevokeFunction", "TokenFunction"}


def physical_ids(aws, stack):
    """The physical ids of a stack's resources and of those in it, by logical id."""
    found = {}
    for resource in aws.pages("cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack):
        found[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]
        if resource["ResourceType"] == "AWS::CloudFormation::Stack":
            found.update(physical_ids(aws, resource["PhysicalResourceId"]))
    return found


class Created:
    """Compares a stack in an account with the templates, resource by resource."""

    def __init__(self, aws, stack_name, meant, left_out):
        self.aws = aws
        self.denied = granted(meant, "Deny")
        self.meant = {name: of for name, of in meant.everything().items() if name not in left_out}
        self.physical = physical_ids(aws, stack_name)
        self.functions = {
            name: aws.client("lambda").get_function_configuration(FunctionName=self.physical[name])
            for name in of_type(self.meant, "AWS::Lambda::Function")
        }
        # The physical id of a queue is its URL. It ends with the name that ARNs and metrics use.
        self.names = {physical.split("/")[-1]: name for name, physical in self.physical.items()}
        self.names.update({physical: name for name, physical in self.physical.items()})
        for name in ["OidcClientSecretId", "EventBusArn"]:
            self.names[meant.parameters[name]] = name
        stream = aws.client("dynamodb").describe_table(TableName=self.physical["ConnectionsTable"])["Table"]
        self.names[stream["LatestStreamArn"]] = "ConnectionsTable.StreamArn"

    def check(self):
        """Runs every comparison and returns their number."""
        checks = [
            self.exactly_the_declared_resources_were_created,
            self.routes_lead_to_their_functions,
            self.functions_are_invoked_only_by_their_routes,
            self.workers_may_ask_for_tokens_and_invoke_nothing_else,
            self.tables_have_their_keys,
            self.roles_allow_what_is_documented,
            self.iam_refuses_everything_else,
            self.functions_have_their_environment_and_role,
            self.secrets_exist_and_are_encrypted,
            self.the_schedule_invokes_the_sweep,
            self.messages_invoke_the_sweep,
            self.changes_invoke_the_events_function,
            self.removals_invoke_the_revoke_function,
            self.alarms_watch_their_metrics,
            self.logs_are_kept_for_their_time,
        ]
        for check in checks:
            check()
            print(f"ok - {check.__name__.replace('_', ' ')}", flush=True)
        return len(checks)

    def exactly_the_declared_resources_were_created(self):
        same(self.physical.keys(), self.meant.keys())

    def routes_lead_to_their_functions(self):
        api = self.physical["HttpApi"]
        integrations = {
            integration["IntegrationId"]: self.name_of(integration["IntegrationUri"])
            for integration in self.aws.pages("apigatewayv2", "get_integrations", "Items", ApiId=api)
        }
        created = {
            route["RouteKey"]: integrations[route["Target"].removeprefix("integrations/")]
            for route in self.aws.pages("apigatewayv2", "get_routes", "Items", ApiId=api)
        }
        meant_integrations = of_type(self.meant, f"{WEB}Integration")
        meant = {}
        for route in of_type(self.meant, f"{WEB}Route").values():
            integration = meant_integrations[logical_id(route["Target"].removeprefix("integrations/"))]
            meant[route["RouteKey"]] = logical_id(integration["IntegrationUri"])
        same(created, meant)

    def functions_are_invoked_only_by_their_routes(self):
        created, meant = Counter(), Counter()
        for name in self.functions.keys() - WITHOUT_ROUTE:
            policy = self.aws.client("lambda").get_policy(FunctionName=self.physical[name])["Policy"]
            for statement in json.loads(policy)["Statement"]:
                source = next(iter(statement["Condition"].values()))["AWS:SourceArn"]
                created[name, source.split(":", 5)[5].replace(self.physical["HttpApi"], "<HttpApi>")] += 1
        for permission in of_type(self.meant, "AWS::Lambda::Permission").values():
            meant[logical_id(permission["FunctionName"]), permission["SourceArn"].split(":", 5)[5]] += 1
        same(created, meant)

    def workers_may_ask_for_tokens_and_invoke_nothing_else(self):
        iam, policy = self.aws.client("iam"), self.physical["TokensForWorkers"]
        [meant] = of_type(self.meant, "AWS::IAM::ManagedPolicy").values()
        created = iam.list_entities_for_policy(PolicyArn=policy)
        same([role["RoleName"] for role in created["PolicyRoles"]], meant["Roles"])
        for role in meant["Roles"]:
            asked = {"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:role/{role}", "ActionNames": ["lambda:InvokeFunction"]}
            allowed = set()
            for name, function in self.functions.items():
                [result] = iam.simulate_principal_policy(**asked, ResourceArns=[function["FunctionArn"]])["EvaluationResults"]
                allowed |= {name} if result["EvalDecision"] == "allowed" else set()
            same(allowed, {"TokenFunction"})

    def tables_have_their_keys(self):
        for name, meant in of_type(self.meant, "AWS::DynamoDB::Table").items():
            table = self.aws.client("dynamodb").describe_table(TableName=self.physical[name])["Table"]
            same(table["KeySchema"], meant["KeySchema"])
            created, meant = table["AttributeDefinitions"], meant["AttributeDefinitions"]
            same(sorted(map(str, created)), sorted(map(str, meant)))
            same(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")

    def roles_allow_what_is_documented(self):
        for effect, meant in [("Allow", documented(OPTIONAL)), ("Deny", self.denied)]:
            created = {
                (who, action, self.name_of(resource), condition_text(statement.get("Condition")))
                for who, statement in self.statements()
                if statement["Effect"] == effect
                for action in listed(statement["Action"])
                for resource in listed(statement["Resource"])
            }
            same(created, meant)

    def iam_refuses_everything_else(self):
        """Simulates, for every role, every action that any role may do. The emulator does not support KMS
        conditions, and denies statements that have one."""
        arns = {self.name_of(arn): arn for _, statement in self.statements() for arn in listed(statement["Resource"])}
        rules = documented(OPTIONAL)
        allowed = set()
        for role, who in self.roles().items():
            principal = f"arn:aws:iam::{ACCOUNT}:role/{self.physical[role]}"
            for name, arn in arns.items():
                actions = sorted({action for _, action, resource, _ in rules if resource == name})
                asked = {"PolicySourceArn": principal, "ActionNames": actions, "ResourceArns": [arn]}
                results = self.aws.client("iam").simulate_principal_policy(**asked)["EvaluationResults"]
                granted = [result["EvalActionName"] for result in results if result["EvalDecision"] == "allowed"]
                allowed |= {(who, action, name) for action in granted}
        # A condition on leading keys is met by a request that names no key.
        unconditional = {rule[:3] for rule in rules if not rule[3] or rule[3].startswith("dynamodb:LeadingKeys")}
        same(allowed, unconditional)

    def roles(self):
        """The user of each role: a function's folder, or the schedule."""
        users = {self.name_of(function["Role"]): folder(name) for name, function in self.functions.items()}
        return {**users, "SweepRole": "the schedule"}

    def statements(self):
        """The statements of the roles' policies, each with the user of the role."""
        iam = self.aws.client("iam")
        same(self.roles().keys(), of_type(self.meant, "AWS::IAM::Role").keys())
        for role, who in self.roles().items():
            physical = self.physical[role]
            same(iam.list_attached_role_policies(RoleName=physical)["AttachedPolicies"], [])
            for policy in iam.list_role_policies(RoleName=physical)["PolicyNames"]:
                document = iam.get_role_policy(RoleName=physical, PolicyName=policy)["PolicyDocument"]
                yield from ((who, statement) for statement in document["Statement"])

    def functions_have_their_environment_and_role(self):
        roles = Counter(function["Role"] for function in self.functions.values())
        same(set(roles.values()), {1})
        for name, meant in of_type(self.meant, "AWS::Lambda::Function").items():
            created = self.functions[name]
            variables = created.get("Environment", {}).get("Variables", {})
            same(variables.keys(), meant.get("Environment", {}).get("Variables", {}).keys())
            same(self.name_of(created["Role"]), logical_id(meant["Role"]))
            for property in ["Runtime", "Timeout", "MemorySize", "Architectures", "TracingConfig"]:
                same(created[property], meant[property])
            same(created["LoggingConfig"]["LogGroup"], self.physical["FunctionsLog"])

    def secrets_exist_and_are_encrypted(self):
        secrets = self.aws.client("secretsmanager")
        keys = json.loads(secrets.get_secret_value(SecretId=self.physical["TokenKeys"])["SecretString"])
        same(keys["current"], "1")
        same(len(keys["1"]), 64)
        for name in of_type(self.meant, "AWS::SecretsManager::Secret"):
            described = secrets.describe_secret(SecretId=self.physical[name])
            same(self.name_of(described["KmsKeyId"]), "SecretsKey")

    def the_schedule_invokes_the_sweep(self):
        [meant] = of_type(self.meant, "AWS::Scheduler::Schedule").values()
        schedule = self.aws.client("scheduler").get_schedule(Name=self.physical["Sweep"])
        same(schedule["ScheduleExpression"], meant["ScheduleExpression"])
        same(schedule["State"], "ENABLED")
        target = schedule["Target"]
        same(self.name_of(target["Arn"]), "HealthCheckFunction")
        same(self.name_of(target["RoleArn"]), "SweepRole")
        same(self.name_of(target["DeadLetterConfig"]["Arn"]), "FailedSweeps")
        same(target["RetryPolicy"], meant["Target"]["RetryPolicy"])

    def messages_invoke_the_sweep(self):
        functions = self.aws.client("lambda")
        sweep = self.physical["HealthCheckFunction"]
        listing = "list_event_source_mappings", "EventSourceMappings"
        [mapping] = self.aws.pages("lambda", *listing, FunctionName=sweep)
        same(self.name_of(mapping["EventSourceArn"]), "SweepQueue")
        same(mapping["BatchSize"], 1)
        invocation = functions.get_function_event_invoke_config(FunctionName=sweep, Qualifier="$LATEST")
        same(invocation["MaximumRetryAttempts"], 0)
        same(self.name_of(invocation["DestinationConfig"]["OnFailure"]["Destination"]), "FailedSweeps")
        asked = {"QueueUrl": self.physical["SweepQueue"], "AttributeNames": ["RedrivePolicy"]}
        queue = self.aws.client("sqs").get_queue_attributes(**asked)
        redrive = json.loads(queue["Attributes"]["RedrivePolicy"])
        same(self.name_of(redrive["deadLetterTargetArn"]), "SweepDeadLetters")

    def changes_invoke_the_events_function(self):
        listing = "list_event_source_mappings", "EventSourceMappings"
        [mapping] = self.aws.pages("lambda", *listing, FunctionName=self.physical["EventsFunction"])
        same(self.name_of(mapping["EventSourceArn"]), "ConnectionsTable.StreamArn")
        same(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        same(mapping["StartingPosition"], "TRIM_HORIZON")
        same(self.name_of(mapping["DestinationConfig"]["OnFailure"]["Destination"]), "FailedEvents")

    def removals_invoke_the_revoke_function(self):
        listing = "list_event_source_mappings", "EventSourceMappings"
        [mapping] = self.aws.pages("lambda", *listing, FunctionName=self.physical["RevokeFunction"])
        same(self.name_of(mapping["EventSourceArn"]), "ConnectionsTable.StreamArn")
        same(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        [only] = mapping["FilterCriteria"]["Filters"]
        same(json.loads(only["Pattern"]), {"eventName": ["REMOVE"]})

    def alarms_watch_their_metrics(self):
        created = self.aws.pages("cloudwatch", "describe_alarms", "MetricAlarms")
        meant = of_type(self.meant, "AWS::CloudWatch::Alarm").values()
        for alarm in created:
            same([self.name_of(action) for action in alarm["AlarmActions"]], ["AlarmTopic"])
        same({self.watched(alarm) for alarm in created}, {self.watched(alarm) for alarm in meant})

    def watched(self, alarm):
        """An alarm's metric and threshold, with logical ids in place of physical names."""
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
        symbol = re.compile(r"^<(\w+?)(\.\w+)?>$")
        dimensions = {name: self.names.get(value, symbol.sub(r"\1", value)) for name, value in dimensions.items()}
        facts = [alarm[fact] for fact in ["AlarmName", "Namespace", "MetricName", "ComparisonOperator"]]
        facts.append(int(alarm["Period"]))
        return (*facts, float(alarm["Threshold"]), *sorted(dimensions.items()))

    def logs_are_kept_for_their_time(self):
        groups = {group["logGroupName"]: group for group in self.aws.pages("logs", "describe_log_groups", "logGroups")}
        for name, meant in of_type(self.meant, "AWS::Logs::LogGroup").items():
            same(groups[self.physical[name]]["retentionInDays"], int(meant["RetentionInDays"]))

    def name_of(self, reference):
        """The logical id behind an ARN, a name or a URL."""
        if reference in self.names:
            return self.names[reference]
        if reference == "*":
            return reference
        resource = reference.split(":", 5)[-1].removesuffix(":*")
        for part in [resource, resource.split("/")[-1], resource.split(":")[-1], resource.removeprefix("log-group:")]:
            if part in self.names:
                return self.names[part]
        # Secrets Manager appends six random characters to a secret's name.
        return self.names.get(re.sub(r"^secret:|-\w{6}$", "", resource), logical_id(reference))


def same(created, meant):
    if isinstance(created, set) and isinstance(meant, set):
        assert created == meant, f"not meant: {created - meant}\nnot created: {meant - created}"
    assert created == meant, f"created: {created}\nmeant:   {meant}"
