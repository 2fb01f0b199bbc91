"""Tests the deployed resources, above all what no emulator supports: recovery, expiry, encryption,
protection, throttling, retention, time-outs.
"""

import json
import re
import tomllib
import unittest

from cloudformation import ROOT, deployed, load, of_type

DOMAIN = {
    "DomainName": "shop.example",
    "CertificateArn": "arn:aws:acm:eu-central-1:111122223333:certificate/0",
}
EXISTING = {"Egress": "existing", "EgressSubnetIds": "subnet-0a,subnet-0b", "EgressSecurityGroupIds": "sg-0c"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SCHEDULE_SECONDS = 15 * 60
EVOTOR = {"Providers": "evotor,vk", "EvotorClientId": "evotor-client"}
# Every value that says which providers are on, and every provider.
LISTS = load("template.yaml")["Parameters"]["Providers"]["AllowedValues"]
PROVIDERS = sorted({provider for value in LISTS for provider in value.split(",")})
# A provider's routes, and the function that each leads to.
OF_A_PROVIDER = {
    "GET /{}": "page", "GET /{}/connect": "connect", "GET /{}/callback": "callback", "POST /{}/disconnect": "disconnect",
}
# Routes that write, or talk to a provider or the issuer.
GUARDED = {
    "GET /login", "GET /login/callback", "POST /logout",
    *(key.format(provider) for key in OF_A_PROVIDER for provider in PROVIDERS if key != "GET /{}"),
}
# Alarms on what a finished sweep reports.
ONCE_A_SWEEP = {
    "CheckOverdue", "MassFailure", "TokenUnreadable", "AppRejectedAtSweep", "AddressRefused", "RenewalBudgetSpent",
}


class Templates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.resources = deployed().everything()

    def one(self, kind, resources=None):
        [resource] = of_type(resources or self.resources, kind).values()
        return resource

    def functions(self):
        return of_type(self.resources, "AWS::Lambda::Function")

    def told(self, variable, **parameters):
        """The values of a variable, by function, where it is set."""
        functions = of_type(deployed(**parameters).everything(), "AWS::Lambda::Function")
        variables = {name: function.get("Environment", {}).get("Variables", {}) for name, function in functions.items()}
        return {name: given[variable] for name, given in variables.items() if variable in given}


class Data(Templates):
    def test_tables_are_encrypted_recoverable_and_protected(self):
        tables = of_type(self.resources, "AWS::DynamoDB::Table")
        self.assertEqual(tables.keys(), {"ConnectionsTable", "SessionsTable"})
        for name, table in tables.items():
            self.assertEqual(table["BillingMode"], "PAY_PER_REQUEST", name)
            self.assertEqual(table["SSESpecification"], {"SSEEnabled": True}, name)
            self.assertEqual(table["PointInTimeRecoverySpecification"], {"PointInTimeRecoveryEnabled": True}, name)
            self.assertEqual(table["DeletionProtectionEnabled"], "true" if name == "ConnectionsTable" else False, name)

    def test_a_disposable_stack_is_not_protected(self):
        thrown_away = deployed(DeletionProtection="false").everything()
        self.assertEqual(thrown_away["ConnectionsTable"]["Properties"]["DeletionProtectionEnabled"], "false")

    def test_sessions_expire(self):
        sessions = self.resources["SessionsTable"]["Properties"]
        self.assertEqual(sessions["TimeToLiveSpecification"], {"AttributeName": "expires_at", "Enabled": True})
        self.assertNotIn("TimeToLiveSpecification", self.resources["ConnectionsTable"]["Properties"])

    def test_irreplaceable_resources_outlive_the_stack_and_strand_nothing_where_it_never_came_to_be(self):
        pool = {"CreateUserPool": "true", "UserPoolDomainPrefix": "evosync"}
        resources = deployed(**EVOTOR, **pool).everything()
        kept = {name: resource for name, resource in resources.items() if resource.get("DeletionPolicy", "Delete") != "Delete"}
        secrets = of_type(resources, "AWS::SecretsManager::Secret").keys()
        self.assertEqual(kept.keys(), {"ConnectionsTable", "SessionsTable", "SecretsKey", "FunctionsLog", "UserPool", *secrets})
        # Rolling back could not delete these two, since they refuse it.
        refusing = {"ConnectionsTable", "UserPool"}
        for name, resource in kept.items():
            policy = "Retain" if name in refusing else "RetainExceptOnCreate"
            self.assertEqual((resource["DeletionPolicy"], resource["UpdateReplacePolicy"]), (policy, "Retain"), name)

    def test_what_an_earlier_stack_has_left_is_used_in_place_of_new_ones(self):
        arn = "arn:aws:{}:eu-central-1:111122223333:{}"
        left = {
            "AdoptedConnectionsTable": "old-connections",
            "AdoptedConnectionsStreamArn": arn.format("dynamodb", "table/old-connections/stream/1"),
            "AdoptedSessionsTable": "old-sessions",
            "AdoptedSecretsKeyArn": arn.format("kms", "key/1"),
            "AdoptedTokenKeysArn": arn.format("secretsmanager", "secret:keys"),
            "AdoptedVkClientSecretArn": arn.format("secretsmanager", "secret:vk"),
            "AdoptedVkServiceTokenArn": arn.format("secretsmanager", "secret:service"),
            "AdoptedEvotorClientSecretArn": arn.format("secretsmanager", "secret:evotor"),
        }
        stack = deployed(**EVOTOR, **left)
        irreplaceable = ["AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"]
        for kind in irreplaceable:
            self.assertEqual(of_type(stack.everything(), kind), {})
        self.assertEqual(of_type(stack.everything(), "AWS::KMS::Key").keys(), {"AlarmKey"})
        renamed = {
            "<ConnectionsTable>": "old-connections", "<SessionsTable>": "old-sessions",
            "<ConnectionsTable.Arn>": arn.format("dynamodb", "table/old-connections"),
            "<SessionsTable.Arn>": arn.format("dynamodb", "table/old-sessions"),
            "<ConnectionsTable.StreamArn>": left["AdoptedConnectionsStreamArn"],
            "<SecretsKey.Arn>": left["AdoptedSecretsKeyArn"], "<SecretsKey>": left["AdoptedSecretsKeyArn"],
            "<TokenKeys.Id>": left["AdoptedTokenKeysArn"], "<VkClientSecret.Id>": left["AdoptedVkClientSecretArn"],
            "<VkServiceToken.Id>": left["AdoptedVkServiceTokenArn"], "<EvotorClientSecret.Id>": left["AdoptedEvotorClientSecretArn"],
        }
        # All else is as it was: the same resources, which name what was left.
        there = {name: of for name, of in stack.everything().items() if name != "Data"}
        new = {name: of for name, of in deployed(**EVOTOR).everything().items() if name in there}
        text = json.dumps({**new, "outputs": deployed(**EVOTOR).outputs()})
        for reference, value in renamed.items():
            text = text.replace(f'"{reference}"', f'"{value}"')
        for name, of in json.loads(text).items():
            found = json.loads(json.dumps({**there, "outputs": stack.outputs()}))[name]
            self.assertEqual(of, found, name)

    def test_evotor_may_be_switched_on_where_there_was_none(self):
        left = {name: "x" for name in load("template.yaml")["Parameters"] if name.startswith("Adopted")}
        stack = deployed(**EVOTOR, **{**left, "AdoptedEvotorClientSecretArn": ""}).everything()
        self.assertEqual(of_type(stack, "AWS::SecretsManager::Secret").keys(), {"EvotorClientSecret"})
        self.assertEqual(stack["EvotorClientSecret"]["Properties"]["KmsKeyId"], "x")

    def test_keys_are_rotated(self):
        for name, key in of_type(self.resources, "AWS::KMS::Key").items():
            self.assertIs(key["EnableKeyRotation"], True, name)


class Functions(Templates):
    def test_every_function_logs_json_to_the_group_and_is_traced(self):
        self.assertEqual(len(self.functions()), 11)
        for name, function in self.functions().items():
            logging = function["LoggingConfig"]
            self.assertEqual(logging["LogGroup"], "<FunctionsLog>", name)
            self.assertEqual((logging["LogFormat"], logging["ApplicationLogLevel"]), ("JSON", "INFO"), name)
            self.assertEqual(function["TracingConfig"], {"Mode": "Active"}, name)
            self.assertEqual(function["Runtime"], "provided.al2023", name)

    def test_functions_are_built_for_the_configured_architecture(self):
        for asked in ["arm64", "x86_64"]:
            for function in of_type(deployed(Architecture=asked).everything(), "AWS::Lambda::Function").values():
                self.assertEqual(function["Architectures"], [asked])
        self.assertEqual(load("template.yaml")["Parameters"]["Architecture"]["Default"], "arm64")

    def test_functions_time_out_before_their_callers(self):
        for name, function in self.functions().items():
            limit = {"HealthCheckFunction": SCHEDULE_SECONDS, "EventsFunction": 900, "RevokeFunction": 900, "TokenFunction": 900}.get(name, 30)
            self.assertLess(function["Timeout"], limit, name)

    def test_cargo_lambda_deploys_them_with_the_same_limits(self):
        resources = load("template.yaml")["Resources"]
        for name, function in self.functions().items():
            manifest = ROOT / resources[name]["Properties"]["CodeUri"] / "Cargo.toml"
            deploy = tomllib.loads(manifest.read_text())["package"]["metadata"]["lambda"]["deploy"]
            limits = {"memory": function["MemorySize"], "timeout": function["Timeout"], "tracing": "active"}
            self.assertEqual(deploy, limits, name)

    def test_the_base_url_is_the_api_endpoint_or_the_domain(self):
        for parameters, address in [({}, "<HttpApi.ApiEndpoint>"), (DOMAIN, "https://shop.example")]:
            functions = of_type(deployed(**parameters).everything(), "AWS::Lambda::Function")
            environments = [function.get("Environment", {"Variables": {}}) for function in functions.values()]
            told = {environment["Variables"].get("BASE_URL") for environment in environments}
            self.assertEqual(told, {address, None})


class Vk(Templates):
    """What functions are told about VK's two flows."""

    def test_a_flow_is_chosen_where_people_are_sent_to_vk_and_come_back(self):
        self.assertEqual(self.told("VK_FLOW"), {"ConnectFunction": "classic", "CallbackFunction": "classic"})
        self.assertEqual(set(self.told("VK_FLOW", VkFlow="vk_id").values()), {"vk_id"})

    def test_whoever_calls_vk_id_is_told_where_it_is(self):
        callers = {"ConnectFunction", "CallbackFunction", "HealthCheckFunction", "RevokeFunction", "TokenFunction"}
        self.assertEqual(self.told("VK_ID_URL"), dict.fromkeys(callers, "https://id.vk.ru"))
        elsewhere = self.told("VK_ID_URL", VkIdUrl="https://id.vk.com")
        self.assertEqual(elsewhere, dict.fromkeys(callers, "https://id.vk.com"))

    def test_the_documented_settings_move_every_call_to_the_ru_hosts(self):
        documented = dict(re.findall(r'^"(Vk\w+Url)=(https://[^"]+)",$', (ROOT / "docs/operations.md").read_text(), re.M))
        self.assertEqual(documented.keys(), {"VkAuthorizeUrl", "VkTokenUrl", "VkApiUrl", "VkIdUrl"})
        for name, function in of_type(deployed(**documented).everything(), "AWS::Lambda::Function").items():
            self.assertNotIn("vk.com", json.dumps(function.get("Environment", {})), name)

    def test_connections_of_vk_id_can_be_renewed_under_either_flow(self):
        for flow in ["classic", "vk_id"]:
            tokens = self.told("VK_SERVICE_TOKEN_ID", VkFlow=flow)
            self.assertEqual(tokens, dict.fromkeys(["CallbackFunction", "HealthCheckFunction", "TokenFunction"], "<VkServiceToken.Id>"))
            self.assertEqual(self.told("VK_CLIENT_ID", VkFlow=flow)["HealthCheckFunction"], "7000001")

    def test_connections_of_vk_id_are_ended_under_either_flow_by_whoever_is_told_how_far(self):
        for given, extent in [({}, "logout"), ({"VkRevoke": "grant", "VkFlow": "vk_id"}, "grant")]:
            self.assertEqual(self.told("VK_REVOKE", **given), {"RevokeFunction": extent})
            self.assertEqual(self.told("VK_CLIENT_ID", **given)["RevokeFunction"], "7000001")

    def test_pages_and_the_sweep_agree_on_when_tokens_are_renewed(self):
        for given, hours in [({}, "12"), ({"RenewAfter": "1"}, "1")]:
            functions = ["PageFunction", "DashboardFunction", "HealthCheckFunction"]
            self.assertEqual(self.told("RENEW_AFTER", **given), dict.fromkeys(functions, hours))

    def test_renewals_stay_below_what_vk_id_allows_an_address_in_a_day(self):
        told = dict.fromkeys(["HealthCheckFunction", "TokenFunction"], "10000")
        self.assertEqual(self.told("VK_RENEWALS_PER_DAY"), told)
        self.assertEqual(load("template.yaml")["Parameters"]["VkRenewalsPerDay"]["MaxValue"], 15000)


class Evotor(Templates):
    """What functions are told about Evotor, and about which providers are on."""

    def test_whoever_serves_or_calls_a_provider_is_told_which_ones_are_on(self):
        functions = ["Page", "Dashboard", "Connect", "Callback", "Disconnect", "HealthCheck", "Token", "Revoke"]
        self.assertEqual(load("template.yaml")["Parameters"]["Providers"]["Default"], "vk")
        for providers in LISTS:
            told = dict.fromkeys([f"{name}Function" for name in functions], providers)
            self.assertEqual(self.told("PROVIDERS", Providers=providers, EvotorClientId="evotor-client"), told)

    def test_each_function_is_told_what_it_needs_of_evotor(self):
        connect, callback, sweep, token = "ConnectFunction", "CallbackFunction", "HealthCheckFunction", "TokenFunction"
        for parameter, value, variable, functions in [
            ("EvotorClientId", "another", "EVOTOR_CLIENT_ID", [connect, callback, sweep, token]),
            ("EvotorAuthorizeUrl", "https://a.example", "EVOTOR_AUTHORIZE_URL", [connect]),
            ("EvotorTokenUrl", "https://t.example", "EVOTOR_TOKEN_URL", [callback, sweep, token]),
            ("EvotorApiUrl", "https://i.example", "EVOTOR_API_URL", [callback, sweep, token]),
            ("EvotorState", "required", "EVOTOR_STATE", [connect, callback]),
            ("EvotorTokenHeader", "x_authorization", "EVOTOR_TOKEN_HEADER", [callback, sweep, token]),
            ("EvotorMaxRps", "7", "EVOTOR_MAX_RPS", [sweep, token]),
        ]:
            told = self.told(variable, **{**EVOTOR, parameter: value})
            self.assertEqual(told, dict.fromkeys(functions, value), variable)

    def test_the_redirect_uri_can_be_registered_before_evotor_is_listed(self):
        for given in [{}, EVOTOR]:
            self.assertEqual(deployed(**DOMAIN, **given).outputs()["EvotorRedirectUri"], "https://shop.example/evotor/callback")


class Egress(Templates):
    """One stable address for calls to providers."""

    # Whoever calls a provider, and so must leave from the one address.
    CALLERS = {"CallbackFunction", "HealthCheckFunction", "RevokeFunction", "TokenFunction"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nat = deployed(Egress="nat")
        cls.network = cls.nat.nested["EgressNetwork"].resources

    def networks(self, stack):
        """What each function is connected to, where it is."""
        functions = of_type(stack.everything(), "AWS::Lambda::Function").items()
        return {name: function["VpcConfig"] for name, function in functions if "VpcConfig" in function}

    def of_ec2(self, stack):
        return [name for name, resource in stack.everything().items() if resource["Type"].startswith("AWS::EC2::")]

    def test_the_callers_of_providers_are_those_that_are_told_whom_to_trust_there(self):
        callers = {caller for provider in PROVIDERS for caller in self.told(f"{provider.upper()}_EXTRA_CA")}
        self.assertEqual(callers, self.CALLERS)

    def test_no_function_is_in_a_network_unless_asked(self):
        stack = deployed()
        self.assertEqual(self.networks(stack), {})
        self.assertEqual(self.of_ec2(stack), [])

    def test_whoever_calls_a_provider_and_nobody_else_leaves_through_the_nat_gateway(self):
        leaves = {"SubnetIds": ["<PrivateSubnet>"], "SecurityGroupIds": ["<CallersGroup.GroupId>"]}
        self.assertEqual(self.networks(self.nat), dict.fromkeys(self.CALLERS, leaves))

    def test_an_existing_network_is_used_as_given(self):
        stack = deployed(**EXISTING)
        leaves = {"SubnetIds": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": ["sg-0c"]}
        self.assertEqual(self.networks(stack), dict.fromkeys(self.CALLERS, leaves))
        self.assertEqual(self.of_ec2(stack), [])

    def test_the_private_subnet_leaves_only_by_the_one_address(self):
        gateway = self.one("AWS::EC2::NatGateway", self.network)
        self.one("AWS::EC2::EIP", self.network)
        self.assertEqual(gateway["AllocationId"], "<Address.AllocationId>")
        self.assertEqual(gateway["SubnetId"], "<PublicSubnet>")
        tables = {
            association["SubnetId"]: association["RouteTableId"]
            for association in of_type(self.network, "AWS::EC2::SubnetRouteTableAssociation").values()
        }
        self.assertEqual(tables.keys(), {"<PublicSubnet>", "<PrivateSubnet>"})
        routes = {}
        for route in of_type(self.network, "AWS::EC2::Route").values():
            way = {key: value for key, value in route.items() if key != "RouteTableId"}
            routes.setdefault(route["RouteTableId"], []).append(way)
        everywhere = {"DestinationCidrBlock": "0.0.0.0/0"}
        self.assertEqual(routes, {
            tables["<PublicSubnet>"]: [{**everywhere, "GatewayId": "<InternetGateway>"}],
            tables["<PrivateSubnet>"]: [{**everywhere, "NatGatewayId": "<NatGateway>"}],
        })

    def test_the_way_out_is_there_before_what_needs_it(self):
        for name in ["Address", "PublicRoute"]:
            self.assertEqual(self.network[name]["DependsOn"], "InternetGatewayAttachment", name)

    def test_both_subnets_are_in_one_zone_and_give_out_no_public_address(self):
        subnets = of_type(self.network, "AWS::EC2::Subnet")
        self.assertEqual(subnets["PrivateSubnet"]["AvailabilityZone"], "<PublicSubnet.AvailabilityZone>")
        for name, subnet in subnets.items():
            self.assertIs(subnet["MapPublicIpOnLaunch"], False, name)

    def test_tables_are_reached_without_the_nat_gateway(self):
        endpoint = self.one("AWS::EC2::VPCEndpoint", self.network)
        self.assertEqual(endpoint["ServiceName"], "com.amazonaws.eu-central-1.dynamodb")
        self.assertEqual((endpoint["VpcEndpointType"], endpoint["RouteTableIds"]), ("Gateway", ["<PrivateRoutes>"]))

    def test_nothing_enters_and_only_https_leaves(self):
        group = self.one("AWS::EC2::SecurityGroup", self.network)
        self.assertNotIn("SecurityGroupIngress", group)
        [rule] = group["SecurityGroupEgress"]
        self.assertEqual((rule["IpProtocol"], rule["FromPort"], rule["ToPort"]), ("tcp", 443, 443))
        for kind in ["AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"]:
            self.assertEqual(of_type(self.network, kind), {})

    def test_the_outputs_say_how_workers_share_the_address(self):
        def told(stack):
            return {name: value for name, value in stack.outputs().items() if name.startswith("Egress")}

        self.assertEqual(told(deployed()), {})
        network = {"EgressSubnetIds": "<PrivateSubnet>", "EgressSecurityGroupIds": "<CallersGroup.GroupId>"}
        self.assertEqual(told(self.nat), {**network, "EgressAddress": "<Address.PublicIp>"})
        self.assertEqual(told(deployed(**EXISTING)), {name: EXISTING[name] for name in network})

    def test_the_function_tells_workers_the_address_that_is_known(self):
        given = {**EXISTING, "EgressAddress": "203.0.113.7"}
        for stack, address in [
            (deployed(), ""), (deployed(**EXISTING), ""), (deployed(**given), "203.0.113.7"), (self.nat, "<Address.PublicIp>"),
        ]:
            token = of_type(stack.everything(), "AWS::Lambda::Function")["TokenFunction"]
            self.assertEqual(token["Environment"]["Variables"]["EGRESS_ADDRESS"], address)


class Roots(Templates):
    """Roots that providers' hosts are trusted by, beside the system's."""

    FOLDER = ROOT / "infra/roots"
    # Who calls a provider. Nothing is ended at Evotor.
    CALLERS = {"Vk": Egress.CALLERS, "Evotor": Egress.CALLERS - {"RevokeFunction"}}

    def layers(self, stack):
        """The layers that each function has, where it has any."""
        functions = of_type(stack.everything(), "AWS::Lambda::Function").items()
        return {name: function["Layers"] for name, function in functions if "Layers" in function}

    def test_there_is_no_layer_unless_a_file_is_named(self):
        self.assertEqual(self.layers(deployed()), {})
        self.assertEqual(of_type(self.resources, "AWS::Lambda::LayerVersion"), {})

    def test_whoever_calls_a_provider_and_nobody_else_is_given_the_layer(self):
        for given in [{"VkRootsFile": "a.pem"}, {"EvotorRootsFile": "b.pem"}, {"VkRootsFile": "a.pem", "EvotorRootsFile": "b.pem"}]:
            stack = deployed(**given)
            [layer] = of_type(stack.everything(), "AWS::Lambda::LayerVersion")
            self.assertEqual(self.layers(stack), dict.fromkeys(Egress.CALLERS, [f"<{layer}>"]), given)

    def test_whoever_calls_a_provider_and_nobody_else_trusts_its_file_or_text(self):
        self.assertEqual(self.CALLERS.keys(), {provider.title() for provider in PROVIDERS})
        for provider, callers in self.CALLERS.items():
            for given, trusted in [({}, ""), ({"RootsFile": "a.pem"}, "/opt/a.pem"), ({"ExtraCa": PEM}, PEM)]:
                named = {f"{provider}{name}": value for name, value in given.items()}
                self.assertEqual(self.told(f"{provider.upper()}_EXTRA_CA", **named), dict.fromkeys(callers, trusted))
                for other in self.CALLERS.keys() - {provider}:
                    self.assertEqual(set(self.told(f"{other.upper()}_EXTRA_CA", **named).values()), {""}, "another's root")

    def test_the_layer_is_the_folder_as_it_is(self):
        layer = load("template.yaml")["Resources"]["Roots"]
        self.assertEqual(ROOT / layer["Properties"]["ContentUri"], self.FOLDER)
        self.assertNotIn("Metadata", layer, "SAM copies what has no BuildMethod")

    def test_the_folder_holds_certificates_and_nothing_secret(self):
        files = set(self.FOLDER.rglob("*"))
        # SAM uploads the folder even where nothing is made of it, and refuses an empty one.
        self.assertIn(self.FOLDER / "README.md", files)
        for path in files - {self.FOLDER / "README.md"}:
            kinds = set(re.findall(r"-----BEGIN (.+)-----", path.read_text()))
            self.assertEqual((path.suffix, kinds), (".pem", {"CERTIFICATE"}), path.name)


class Sweep(Templates):
    def test_the_schedule_stops_before_the_next_sweep_and_reports_the_failure(self):
        target = self.one("AWS::Scheduler::Schedule")["Target"]
        self.assertLessEqual(target["RetryPolicy"]["MaximumRetryAttempts"], 3)
        self.assertLess(target["RetryPolicy"]["MaximumEventAgeInSeconds"], SCHEDULE_SECONDS)
        self.assertEqual(target["DeadLetterConfig"], {"Arn": "<FailedSweeps.Arn>"})
        self.assertEqual(target["Arn"], "<HealthCheckFunction.Arn>")

    def test_lambda_stops_before_the_next_sweep_and_reports_the_failure(self):
        invocation = self.one("AWS::Lambda::EventInvokeConfig")
        self.assertEqual(invocation["FunctionName"], "<HealthCheckFunction>")
        self.assertEqual(invocation["MaximumRetryAttempts"], 0)
        self.assertLess(invocation["MaximumEventAgeInSeconds"], SCHEDULE_SECONDS)
        self.assertEqual(invocation["DestinationConfig"], {"OnFailure": {"Destination": "<FailedSweeps.Arn>"}})

    def test_functions_share_the_accounts_concurrency_unless_configured_otherwise(self):
        for given, reserved in [("0", None), ("20", "20")]:
            functions = of_type(deployed(FunctionReservedConcurrency=given).everything(), "AWS::Lambda::Function")
            for name in ["HealthCheckFunction", "EventsFunction", "RevokeFunction", "TokenFunction"]:
                del functions[name]
            for name, function in functions.items():
                self.assertEqual(function.get("ReservedConcurrentExecutions"), reserved, name)

    def test_concurrency_is_reserved_for_every_worker_and_one_more_or_not_at_all(self):
        self.assertNotIn("ReservedConcurrentExecutions", self.functions()["HealthCheckFunction"])
        for segments in load("template.yaml")["Parameters"]["SweepSegments"]["AllowedValues"]:
            stack = deployed(SweepReservedConcurrency="matching", SweepSegments=str(segments)).everything()
            sweep = of_type(stack, "AWS::Lambda::Function")["HealthCheckFunction"]
            mapping = of_type(stack, "AWS::Lambda::EventSourceMapping")["SweepMessages"]
            self.assertEqual(sweep["ReservedConcurrentExecutions"], segments + 1)
            self.assertEqual(mapping["ScalingConfig"], {"MaximumConcurrency": segments})
            self.assertEqual(sweep["Environment"]["Variables"]["SWEEP_SEGMENTS"], str(segments))

    def test_schedule_alarms_and_functions_count_in_one_period(self):
        for minutes in load("template.yaml")["Parameters"]["SweepEvery"]["AllowedValues"]:
            stack = deployed(SweepEvery=str(minutes)).everything()
            unit = "minute" if minutes == 1 else "minutes"
            self.assertEqual(self.one("AWS::Scheduler::Schedule", stack)["ScheduleExpression"], f"rate({minutes} {unit})")
            alarms = of_type(stack, "AWS::CloudWatch::Alarm")
            for name in ["NoSweepFinished", *ONCE_A_SWEEP]:
                self.assertEqual(int(alarms[name]["Period"]), minutes * 60, name)
            functions = of_type(stack, "AWS::Lambda::Function")
            for name in ["HealthCheckFunction", "PageFunction", "DashboardFunction"]:
                self.assertEqual(functions[name]["Environment"]["Variables"]["SWEEP_EVERY"], str(minutes), name)

    def test_queues_are_encrypted_and_keep_failed_messages(self):
        queues = of_type(self.resources, "AWS::SQS::Queue")
        for name, queue in queues.items():
            self.assertIs(queue["SqsManagedSseEnabled"], True, name)
        timeout = self.functions()["HealthCheckFunction"]["Timeout"]
        queue = queues["SweepQueue"]
        self.assertGreaterEqual(queue["VisibilityTimeout"], 6 * timeout)
        redrive = {"deadLetterTargetArn": "<SweepDeadLetters.Arn>", "maxReceiveCount": 5}
        self.assertEqual(queue["RedrivePolicy"], redrive)
        # A message keeps its age when it moves to the dead-letter queue.
        for name in ["SweepDeadLetters", "FailedSweeps"]:
            self.assertGreater(queues[name]["MessageRetentionPeriod"], queue["MessageRetentionPeriod"])

    def test_each_message_wakes_one_worker(self):
        mapping = of_type(self.resources, "AWS::Lambda::EventSourceMapping")["SweepMessages"]
        self.assertEqual(mapping["EventSourceArn"], "<SweepQueue.Arn>")
        self.assertEqual(mapping["FunctionName"], "<HealthCheckFunction>")
        self.assertEqual(mapping["BatchSize"], 1)
        sweep = self.functions()["HealthCheckFunction"]
        self.assertEqual(sweep["Environment"]["Variables"]["SWEEP_QUEUE_URL"], "<SweepQueue>")


class Events(Templates):
    def mapping(self):
        return of_type(self.resources, "AWS::Lambda::EventSourceMapping")["Changes"]

    def test_every_committed_change_reaches_the_function_in_order(self):
        table = of_type(self.resources, "AWS::DynamoDB::Table")["ConnectionsTable"]
        self.assertEqual(table["StreamSpecification"], {"StreamViewType": "NEW_AND_OLD_IMAGES"})
        # If rows expired (TTL), the stream would announce disconnections that nobody made.
        self.assertNotIn("TimeToLiveSpecification", table)
        mapping = self.mapping()
        self.assertEqual(mapping["EventSourceArn"], "<ConnectionsTable.StreamArn>")
        self.assertEqual(mapping["FunctionName"], "<EventsFunction>")
        self.assertEqual(mapping["StartingPosition"], "TRIM_HORIZON")
        self.assertNotIn("FilterCriteria", mapping)

    def test_a_failed_batch_is_retried_and_no_record_blocks_the_others(self):
        mapping = self.mapping()
        self.assertEqual(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertIs(mapping["BisectBatchOnFunctionError"], True)
        self.assertNotIn("MaximumRetryAttempts", mapping)
        self.assertEqual(mapping["DestinationConfig"], {"OnFailure": {"Destination": "<FailedEvents.Arn>"}})
        stream_forgets = 24 * 3600
        alarm = of_type(self.resources, "AWS::CloudWatch::Alarm")["ChangesLate"]
        self.assertLess(mapping["MaximumRecordAgeInSeconds"], stream_forgets)
        self.assertLess(alarm["Threshold"] / 1000, mapping["MaximumRecordAgeInSeconds"] / 10)

    def test_the_configured_bus_is_passed_to_the_events_function(self):
        for given in ["", "arn:aws:events:eu-central-1:111122223333:event-bus/evosync"]:
            functions = of_type(deployed(EventBusArn=given).everything(), "AWS::Lambda::Function")
            self.assertEqual(functions["EventsFunction"]["Environment"]["Variables"]["EVENT_BUS"], given)


class Removals(Templates):
    def mapping(self):
        return of_type(self.resources, "AWS::Lambda::EventSourceMapping")["Removals"]

    def test_every_removed_row_and_nothing_else_reaches_the_function(self):
        mapping = self.mapping()
        self.assertEqual(mapping["EventSourceArn"], "<ConnectionsTable.StreamArn>")
        self.assertEqual(mapping["FunctionName"], "<RevokeFunction>")
        self.assertEqual(mapping["StartingPosition"], "TRIM_HORIZON")
        [only] = mapping["FilterCriteria"]["Filters"]
        self.assertEqual(json.loads(only["Pattern"]), {"eventName": ["REMOVE"]})

    def test_a_failed_batch_is_retried_for_an_hour_and_no_record_blocks_the_others(self):
        mapping = self.mapping()
        self.assertEqual(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertIs(mapping["BisectBatchOnFunctionError"], True)
        self.assertEqual(mapping["MaximumRecordAgeInSeconds"], 3600)
        self.assertEqual(mapping["ParallelizationFactor"], 10)

    def test_what_was_given_up_is_kept_nowhere(self):
        self.assertNotIn("DestinationConfig", self.mapping())

    def test_the_stream_has_no_more_readers_than_it_may(self):
        mappings = of_type(self.resources, "AWS::Lambda::EventSourceMapping").values()
        stream = [mapping for mapping in mappings if mapping["EventSourceArn"] == "<ConnectionsTable.StreamArn>"]
        self.assertEqual(len(stream), 2)


class Api(Templates):
    def stage(self):
        return self.one("AWS::ApiGatewayV2::Stage")

    def test_every_route_is_throttled(self):
        default = self.stage()["DefaultRouteSettings"]
        self.assertTrue(0 < default["ThrottlingRateLimit"] <= default["ThrottlingBurstLimit"] <= 1000)
        settings = self.stage()["RouteSettings"]
        self.assertEqual(settings.keys(), GUARDED)
        for route, setting in settings.items():
            self.assertLess(setting["ThrottlingRateLimit"], default["ThrottlingRateLimit"], route)
            self.assertLess(setting["ThrottlingBurstLimit"], default["ThrottlingBurstLimit"], route)

    def test_routes_are_created_before_their_settings(self):
        routes = of_type(self.resources, "AWS::ApiGatewayV2::Route")
        needed = {name for name, route in routes.items() if route["RouteKey"] in GUARDED}
        self.assertEqual(set(self.resources["HttpStage"]["DependsOn"]), needed)
        self.assertEqual(len(needed), len(GUARDED))

    def test_the_access_log_contains_no_secrets(self):
        log = self.stage()["AccessLogSettings"]
        self.assertTrue(log["DestinationArn"].endswith(":log-group:<AccessLog>"))
        fields = json.loads(log["Format"])
        self.assertEqual(fields, {
            "requestId": "$context.requestId",
            "requestTime": "$context.requestTime",
            "routeKey": "$context.routeKey",
            "status": "$context.status",
            "responseLatency": "$context.responseLatency",
            "integrationError": "$context.integrationErrorMessage",
            "sourceIp": "$context.identity.sourceIp",
        })

    def test_logs_expire(self):
        groups = of_type(deployed(LogRetentionDays="30").everything(), "AWS::Logs::LogGroup")
        self.assertEqual({group["RetentionInDays"] for group in groups.values()}, {"30"})
        self.assertEqual(groups.keys(), {"FunctionsLog", "AccessLog"})

    def test_without_a_domain_the_api_s_address_is_the_product_s(self):
        self.assertIs(self.one("AWS::ApiGatewayV2::Api")["DisableExecuteApiEndpoint"], False)
        for kind in ["AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping", "AWS::Route53::RecordSet"]:
            self.assertEqual(of_type(self.resources, kind), {})

    def test_with_a_domain_the_api_is_reached_only_through_it(self):
        stack = deployed(**DOMAIN)
        resources = stack.everything()
        self.assertIs(self.one("AWS::ApiGatewayV2::Api", resources)["DisableExecuteApiEndpoint"], True)
        domain = self.one("AWS::ApiGatewayV2::DomainName", resources)
        [configuration] = domain["DomainNameConfigurations"]
        self.assertEqual(domain["DomainName"], "shop.example")
        self.assertEqual(configuration["SecurityPolicy"], "TLS_1_2")
        self.assertEqual(configuration["CertificateArn"], DOMAIN["CertificateArn"])
        mapping = self.one("AWS::ApiGatewayV2::ApiMapping", resources)
        self.assertEqual((mapping["ApiId"], mapping["Stage"]), ("<HttpApi>", "<HttpStage>"))
        self.assertEqual(of_type(resources, "AWS::Route53::RecordSet"), {})
        self.assertEqual(stack.outputs()["VkRedirectUri"], "https://shop.example/vk/callback")

    def test_a_hosted_zone_points_at_the_api(self):
        resources = deployed(**DOMAIN, HostedZoneId="Z1").everything()
        record = self.one("AWS::Route53::RecordSet", resources)
        self.assertEqual((record["Name"], record["Type"]), ("shop.example", "A"))
        self.assertEqual(record["AliasTarget"]["DNSName"], "<ApiDomain.RegionalDomainName>")
        alone = deployed(HostedZoneId="Z1").everything()
        self.assertEqual(of_type(alone, "AWS::Route53::RecordSet"), {}, "a zone without a domain")

    def test_routes_are_those_of_cargo_lambda_watch(self):
        workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]
        router = workspace["metadata"]["lambda"]["watch"]["router"]
        watched = {("$default", router.pop("/{*path}"))}
        for path, entries in router.items():
            watched |= {(f"{entry['method']} {path}", entry["function"]) for entry in entries}
        self.assertEqual(self.routes(), watched)

    def test_every_providers_routes_go_to_the_same_functions_with_the_same_throttles(self):
        routes, settings = dict(self.routes()), self.stage()["RouteSettings"]
        self.assertGreater(len(PROVIDERS), 1)
        for pattern, function in OF_A_PROVIDER.items():
            throttles = []
            for provider in PROVIDERS:
                key = pattern.format(provider)
                self.assertEqual(routes[key], function, key)
                throttles.append(settings.get(key))
            self.assertEqual(throttles, throttles[:1] * len(PROVIDERS), pattern)
        for provider in PROVIDERS:
            of_it = {key for key in routes if re.search(rf" /{provider}(/|$)", key)}
            self.assertEqual(of_it, {pattern.format(provider) for pattern in OF_A_PROVIDER})

    def test_no_route_ends_in_a_slash(self):
        for key, _ in self.routes():
            self.assertFalse(len(key.split(" ")[-1]) > 1 and key.endswith("/"), f"API Gateway refuses {key}")

    def routes(self):
        written = load("template.yaml")["Resources"]
        found = set()
        for route in of_type(written, "AWS::ApiGatewayV2::Route").values():
            integration = re.search(r"\$\{(\w+)\}", route["Target"]["Fn::Sub"])[1]
            function = written[integration]["Properties"]["IntegrationUri"]["Fn::GetAtt"][0]
            found.add((route["RouteKey"], written[function]["Properties"]["CodeUri"].removeprefix("functions/")))
        return found


class SigningIn(Templates):
    def login(self, **parameters):
        functions = of_type(deployed(**parameters).everything(), "AWS::Lambda::Function")
        return functions["LoginFunction"]["Environment"]["Variables"]

    def test_an_existing_issuer_is_used_as_given(self):
        self.assertEqual(of_type(self.resources, "AWS::Cognito::UserPool"), {})
        self.assertEqual(self.login()["OIDC_ISSUER"], "https://issuer.example")

    def test_a_user_pool_is_the_issuer_where_one_is_created(self):
        pool = {"CreateUserPool": "true", "UserPoolDomainPrefix": "evosync", "OidcIssuer": "", "OidcClientId": ""}
        login = self.login(**pool)
        self.assertEqual(login["OIDC_ISSUER"], "https://cognito-idp.eu-central-1.amazonaws.com/<UserPool>")
        self.assertEqual(login["OIDC_CLIENT_ID"], "<AppClient>")
        resources = deployed(**pool, **DOMAIN).everything()
        client = self.one("AWS::Cognito::UserPoolClient", resources)
        self.assertEqual(client["CallbackURLs"], ["https://shop.example/login/callback"])
        self.assertEqual(client["AllowedOAuthFlows"], ["code"])
        self.assertIs(client["GenerateSecret"], False)
        self.assertIn("ALLOW_USER_SRP_AUTH", client["ExplicitAuthFlows"], "the managed pages sign in by it")
        users = self.one("AWS::Cognito::UserPool", resources)
        self.assertEqual(users["DeletionProtection"], "ACTIVE")
        self.assertEqual(users["AdminCreateUserConfig"], {"AllowAdminCreateUserOnly": True})
        self.assertGreaterEqual(users["Policies"]["PasswordPolicy"]["MinimumLength"], 15)
        self.assertEqual(self.one("AWS::Cognito::UserPoolDomain", resources)["ManagedLoginVersion"], 2)


class Parameters(unittest.TestCase):
    """Mistakes stop a deployment before any resource is created."""

    def setUp(self):
        self.parameters = load("template.yaml")["Parameters"]

    def accepts(self, name, value):
        return re.search(self.parameters[name]["AllowedPattern"], value) is not None

    def test_defaults_are_accepted(self):
        for name, parameter in self.parameters.items():
            if "AllowedPattern" in parameter and "Default" in parameter:
                self.assertTrue(self.accepts(name, parameter["Default"]), name)

    def test_addresses_require_https_except_on_localhost(self):
        of_evotor = ["EvotorAuthorizeUrl", "EvotorTokenUrl", "EvotorApiUrl"]
        for name in ["VkAuthorizeUrl", "VkTokenUrl", "VkApiUrl", "VkIdUrl", *of_evotor, "OidcIssuer"]:
            for good in ["https://vk.example/path", "http://localhost:3001/x", "http://127.0.0.1:1", "http://localhost"]:
                self.assertTrue(self.accepts(name, good), f"{name}: {good}")
            for bad in [
                "http://vk.example", "http://localhost.evil.example/", "vk.example", "https://a@b/",
                "https://vk.example/?q", "ftp://localhost",
            ]:
                self.assertFalse(self.accepts(name, bad), f"{name}: {bad}")

    def test_invalid_parameters_are_rejected(self):
        for name, value in [
            ("VkClientId", "my-app"), ("EvotorClientId", "my app"), ("EvotorClientId", "TO-BE-FILLED-IN"),
            ("DomainName", "https://shop.example"), ("DomainName", "shop"),
            ("CertificateArn", "certificate"), ("OidcClientSecretId", "issuer-secret"), ("AlarmEmail", "operator"),
            ("VkScopes", ""), ("UserPoolDomainPrefix", "Evo Sync"),
            ("UserPoolDomainPrefix", "my-aws-shop"), ("UserPoolDomainPrefix", "amazon"), ("UserPoolDomainPrefix", "x-cognito-1"),
            ("EgressAddress", "shop.example"), ("WorkerRoleNames", "sync, import"),
            ("WorkerRoleNames", "arn:aws:iam::111122223333:role/sync"),
            ("EgressSubnetIds", "subnet-0a, subnet-0b"), ("EgressSubnetIds", "sg-0c"), ("EgressSecurityGroupIds", "subnet-0a"),
            ("VkRootsFile", "infra/roots/vk.pem"), ("VkRootsFile", "../vk.pem"), ("VkRootsFile", "vk.der"),
            # What the SAM CLI's parser leaves of a value of several lines.
            ("VkExtraCa", "-----BEGIN"), ("VkExtraCa", PEM.replace("\n", " ")),
            ("EvotorRootsFile", "../evotor.pem"), ("EvotorExtraCa", "-----BEGIN"), ("EvotorExtraCa", PEM.replace("\n", " ")),
        ]:
            self.assertFalse(self.accepts(name, value), f"{name}: {value}")
        for name, parameter in self.parameters.items():
            self.assertTrue("ConstraintDescription" in parameter or "AllowedPattern" not in parameter, name)

    def violated(self, **parameters):
        """The reasons why a deployment with these parameters is rejected."""
        stack = deployed(**{**DOMAIN, "CreateUserPool": "false", **parameters})
        rules = load("template.yaml")["Rules"].values()
        assertions = [claim for rule in rules if stack.holds(rule["RuleCondition"]) for claim in rule["Assertions"]]
        return [claim["AssertDescription"] for claim in assertions if not stack.holds(claim["Assert"])]

    def test_inconsistent_parameters_are_rejected(self):
        self.assertEqual(self.violated(), [])
        self.assertEqual(self.violated(CertificateArn=""), ["A domain needs CertificateArn"])
        unsigned = ["Give OidcIssuer, or create a user pool", "Give OidcClientId, or create a user pool"]
        self.assertEqual(self.violated(OidcIssuer="", OidcClientId=""), unsigned)
        pool = {"CreateUserPool": "true", "OidcIssuer": "", "OidcClientId": ""}
        self.assertEqual(self.violated(**pool), ["A user pool needs UserPoolDomainPrefix"])
        self.assertEqual(self.violated(**pool, UserPoolDomainPrefix="evosync"), [])
        secret = {"UserPoolDomainPrefix": "evosync", "OidcClientSecretId": "arn:aws:secretsmanager:x"}
        self.assertEqual(len(self.violated(**pool, **secret)), 1)

    def test_a_provider_that_is_listed_needs_its_client_id_and_no_other_does(self):
        for providers in LISTS:
            for provider in PROVIDERS:
                known = {f"{name.title()}ClientId": "7" for name in PROVIDERS}
                unknown = {**known, f"{provider.title()}ClientId": ""}
                self.assertEqual(self.violated(Providers=providers, **known), [])
                reasons = [f"Providers with {provider} needs {provider.title()}ClientId"] if provider in providers.split(",") else []
                self.assertEqual(self.violated(Providers=providers, **unknown), reasons, f"{providers} without {provider}'s")

    def test_vk_id_needs_one_stable_address(self):
        [reason] = self.violated(VkFlow="vk_id")
        self.assertIn("only from the address that obtained them", reason)
        for egress in [{"Egress": "nat"}, EXISTING]:
            self.assertEqual(self.violated(VkFlow="vk_id", **egress), [])
            self.assertEqual(self.violated(**egress), [], "the classic flow may leave by it, too")

    def test_a_budget_needs_somebody_to_tell(self):
        self.assertEqual(self.violated(MonthlyBudget="50"), ["MonthlyBudget needs AlarmEmail"])
        self.assertEqual(self.violated(MonthlyBudget="50", AlarmEmail="operator@example.org"), [])

    def test_what_was_left_is_adopted_whole(self):
        left = {name: "x" for name in self.parameters if name.startswith("Adopted")}
        self.assertEqual(self.violated(**left), [])
        for name in left.keys() - {"AdoptedConnectionsTable", "AdoptedEvotorClientSecretArn"}:
            self.assertEqual(self.violated(**{**left, name: ""}), [f"AdoptedConnectionsTable needs {name}"])

    def test_roots_are_given_once(self):
        for provider in Roots.CALLERS:
            file, text = f"{provider}RootsFile", f"{provider}ExtraCa"
            for given in [{file: "vk.pem"}, {text: PEM}, {text: f"a root\n{PEM}{PEM}".replace("\n", "\r\n")}]:
                self.assertEqual(self.violated(**given), [])
                self.assertTrue(all(self.accepts(name, value) for name, value in given.items()), given)
            [reason] = self.violated(**{file: "vk.pem", text: PEM})
            self.assertIn("not both", reason)
            self.assertIn(file, reason)

    def test_sams_own_parser_reads_the_documented_forms_and_cuts_a_certificate_which_is_then_refused(self):
        from samcli.cli.types import CfnParameterOverridesType

        def read(written):
            return CfnParameterOverridesType().convert(written, None, None)

        environments = tomllib.loads((ROOT / "samconfig.toml").read_text())
        for environment in ["staging", "production"]:
            for written in environments[environment]["deploy"]["parameters"]["parameter_overrides"]:
                [(name, value)] = read([written]).items()
                self.assertEqual(written, f"{name}={value}")
        self.assertEqual(read(['VkScopes="market groups"']), {"VkScopes": "market groups"})
        cut = read([f"VkExtraCa={PEM}"])["VkExtraCa"]
        self.assertNotEqual(cut, PEM)
        self.assertFalse(self.accepts("VkExtraCa", cut))

    def test_an_existing_network_must_be_named(self):
        for missing in ["EgressSubnetIds", "EgressSecurityGroupIds"]:
            [reason] = self.violated(**{**EXISTING, missing: ""})
            self.assertIn(missing, reason)

    def test_the_console_groups_every_parameter(self):
        groups = load("template.yaml")["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        grouped = [name for group in groups for name in group["Parameters"]]
        self.assertEqual(sorted(grouped), sorted(self.parameters))


class Observability(Templates):
    def alarms(self):
        return of_type(self.resources, "AWS::CloudWatch::Alarm")

    def metrics(self, alarm):
        """The metrics that an alarm watches, with their dimensions."""
        queries = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
        for metric in queries or [alarm]:
            dimensions = tuple((dimension["Name"], dimension["Value"]) for dimension in metric["Dimensions"])
            yield metric["Namespace"], metric["MetricName"], dimensions

    def test_every_alarm_tells_somebody_what_to_do(self):
        headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/operations.md").read_text(), re.M)
        self.assertGreater(len(self.alarms()), 15)
        for name, alarm in self.alarms().items():
            self.assertEqual(alarm["AlarmActions"], ["<AlarmTopic>"], name)
            self.assertEqual(alarm["OKActions"], ["<AlarmTopic>"], name)
            section = re.search(r'See "(.+)" in docs/operations\.md\.$', alarm["AlarmDescription"])
            self.assertIsNotNone(section, name)
            self.assertIn(section[1], headings, f"{name} points at a section that docs/operations.md has not")

    def test_alarms_watch_what_can_go_wrong(self):
        watched = {metric for alarm in self.alarms().values() for metric in self.metrics(alarm)}
        expected = {("AWS/Lambda", "Errors", (("FunctionName", f"<{name}>"),)) for name in self.functions()}
        for name in self.functions().keys() - {"HealthCheckFunction", "EventsFunction", "RevokeFunction", "TokenFunction"}:
            expected.add(("AWS/Lambda", "Throttles", (("FunctionName", f"<{name}>"),)))
        for name in ["4xx", "5xx", "Count", "IntegrationLatency"]:
            expected.add(("AWS/ApiGateway", name, (("ApiId", "<HttpApi>"),)))
        expected.add(("AWS/Lambda", "IteratorAge", (("FunctionName", "<EventsFunction>"),)))
        for queue in ["FailedSweeps", "SweepDeadLetters", "FailedEvents"]:
            expected.add(("AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", f"<{queue}.QueueName>"),)))
        of_sweeps = ["SweepPeriods", "OldestCheckPeriods", "MassFailureHeld", "ChecksOurFault", "ChecksAnotherAddress", "Unreadable"]
        for name in [*of_sweeps, "RenewalsLost", "RenewalsPostponed"]:
            expected.add(("EvoSync/Connections", name, (("FunctionName", "<HealthCheckFunction>"),)))
        expected.add(("EvoSync/Connections", "RenewalsLost", (("FunctionName", "<TokenFunction>"),)))
        expected.add(("EvoSync/Connections", "RevocationsFailed", (("FunctionName", "<RevokeFunction>"),)))
        refused = (("FunctionName", "<TokenFunction>"), ("ErrorCode", "try_later"))
        expected.add(("EvoSync/Connections", "TokensRefused", refused))
        ours, providers = ["app_rejected", "storage"], ["provider_unavailable", "provider_error", "token_exchange", "no_token", "profile"]
        for code in ours + providers:
            failed = (("FunctionName", "<CallbackFunction>"), ("ErrorCode", code))
            expected.add(("EvoSync/Connections", "Failures", failed))
        expected.add(("EvoSync/Connections", "SignInFailures", (("FunctionName", "<LoginFunction>"),)))
        self.assertEqual(watched, expected)

    def test_our_failures_alarm_at_one_and_the_providers_at_several(self):
        alarms = self.alarms()
        for name, threshold in [("ConnectingFails", 1), ("ProviderFails", 5), ("SignInFails", 5), ("WorkersWait", 20)]:
            self.assertEqual(alarms[name]["Threshold"], threshold, name)
            self.assertEqual(alarms[name]["ComparisonOperator"], "GreaterThanOrEqualToThreshold", name)

    def test_errors_alarm_at_one_and_are_told_once_though_they_are_seldom(self):
        for name, alarm in self.alarms().items():
            happens = {metric for _, metric, _ in self.metrics(alarm)}
            if happens <= {"Errors", "Throttles"} or name in ["ConnectingFails", "AppRejectedAtConnect"]:
                self.assertEqual((alarm["Threshold"], alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]), (1, 1, 6), name)
        server = self.alarms()["ServerErrors"]
        self.assertEqual((server["Threshold"], server["DatapointsToAlarm"], server["EvaluationPeriods"]), (1, 2, 3))

    def test_renewals_alarm_where_many_are_lost_or_refused_our_address_and_where_any_must_wait(self):
        alarms = self.alarms()
        for name, statistic, seconds, threshold in [
            ("AddressRefused", "Sum", SCHEDULE_SECONDS, 5),
            ("RenewalsLost", "Sum", 3600, 3),
            ("RenewalBudgetSpent", "Maximum", SCHEDULE_SECONDS, 1),
        ]:
            alarm = alarms[name]
            queries = [query["MetricStat"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
            watched = [(query["Stat"], query["Period"]) for query in queries] or [(alarm["Statistic"], int(alarm["Period"]))]
            self.assertEqual((set(watched), alarm["Threshold"]), ({(statistic, seconds)}, threshold), name)
            self.assertEqual(alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold", name)
        self.assertIn("the address that the functions leave from", alarms["AddressRefused"]["AlarmDescription"])

    def test_a_missing_sweep_raises_an_alarm(self):
        alarm = self.alarms()["NoSweepFinished"]
        self.assertEqual(alarm["TreatMissingData"], "breaching")
        self.assertEqual((int(alarm["Period"]), alarm["EvaluationPeriods"]), (900, 3))
        self.assertEqual((alarm["ComparisonOperator"], alarm["Threshold"]), ("GreaterThanThreshold", 3))

    def test_alarms_of_a_sweep_keep_their_state_until_the_next_one_reports(self):
        for name, alarm in self.alarms().items():
            if name != "NoSweepFinished":
                expected = "ignore" if name in ONCE_A_SWEEP else "notBreaching"
                self.assertEqual(alarm["TreatMissingData"], expected, name)

    def test_alarms_are_mailed_if_an_address_is_configured(self):
        self.assertEqual(of_type(self.resources, "AWS::SNS::Subscription"), {})
        resources = deployed(AlarmEmail="operator@example.org").everything()
        subscription = self.one("AWS::SNS::Subscription", resources)
        self.assertEqual((subscription["Protocol"], subscription["Endpoint"]), ("email", "operator@example.org"))

    def test_costs_above_the_budget_are_mailed_spent_or_forecast(self):
        self.assertEqual(of_type(self.resources, "AWS::Budgets::Budget"), {})
        given = {"MonthlyBudget": "50", "AlarmEmail": "operator@example.org"}
        budget = self.one("AWS::Budgets::Budget", deployed(**given).everything())
        self.assertEqual(budget["Budget"]["BudgetLimit"], {"Amount": "50", "Unit": "USD"})
        told = [(each["Notification"]["NotificationType"], each["Subscribers"]) for each in budget["NotificationsWithSubscribers"]]
        operator = [{"SubscriptionType": "EMAIL", "Address": "operator@example.org"}]
        self.assertEqual(told, [("FORECASTED", operator), ("ACTUAL", operator)])

    def test_the_dashboard_measures_the_objective(self):
        widgets = json.loads(self.one("AWS::CloudWatch::Dashboard")["DashboardBody"])["widgets"]
        [objective] = [widget["properties"] for widget in widgets if "objective" in widget["properties"]["title"]]
        book = (ROOT / "docs/operations.md").read_text()
        number = re.search(r"objective ([\d.]+)", objective["title"])[1]
        self.assertIn(f"{number} %", book)
        [[query], *named] = objective["metrics"]
        self.assertEqual(query["expression"], "100 * (1 - FILL(failed, 0) / requests)")
        self.assertEqual({metric[1]: metric[-1]["id"] for metric in named}, {"Count": "requests", "5xx": "failed"})

    def test_the_topic_is_encrypted_with_a_key_that_cloudwatch_may_use(self):
        self.assertEqual(self.one("AWS::SNS::Topic")["KmsMasterKeyId"], "<AlarmKey>")
        statements = self.resources["AlarmKey"]["Properties"]["KeyPolicy"]["Statement"]
        services = [statement["Principal"].get("Service") for statement in statements]
        self.assertIn("cloudwatch.amazonaws.com", services)

    def test_the_dashboard_shows_every_alarm_and_metric(self):
        body = json.loads(self.one("AWS::CloudWatch::Dashboard")["DashboardBody"])
        first = body["widgets"][0]
        self.assertEqual(first["properties"]["alarms"], [f"<{name}.Arn>" for name in self.alarms()])
        drawn = [metric for widget in body["widgets"][1:] for metric in widget["properties"]["metrics"]]
        searched = set(re.findall(r'MetricName="(\w+)"', json.dumps(drawn).replace("\\", "")))
        self.assertEqual(searched, {"Failures", "TokensRefused"})
        shown = {metric[1] for metric in drawn if len(metric) > 2} | searched
        own = {metric for alarm in self.alarms().values() for metric in self.metrics(alarm)}
        self.assertLessEqual({name for namespace, name, _ in own if namespace == "EvoSync/Connections"}, shown)
        self.assertLessEqual({"Renewed", "RenewalsRefused", "TokensIssued"}, shown)


if __name__ == "__main__":
    unittest.main()
