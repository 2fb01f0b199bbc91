"""Tests the policies of infra/iam: the deployer's, against the permissions that CloudFormation's own descriptions of
the resources ask for (they come with cfn-lint), and the boundary, against what the roles are given.
"""

import fnmatch
import json
import unittest
from pathlib import Path

import cfnlint

from cloudformation import ROOT, deployed, listed, of_type, translated

TEMPLATES = ["template.yaml", *(f"infra/{name}.yaml" for name in ["access", "data", "egress", "observability", "sign-in"])]
# What the descriptions name besides, for properties that the templates have not.
UNUSED = {
    "cloudfront:updateDistribution", "ec2:AttachVpnGateway", "ec2:DetachVpnGateway", "ec2:DescribeVpnGateways",
    "elasticfilesystem:DescribeMountTargets", "firehose:TagDeliveryStream", "kinesis:DescribeStream", "kinesis:PutRecords",
    "s3files:ListMountTargets", "vpce:AllowMultiRegion", "vpc-lattice:CreateServiceNetworkVpcEndpointAssociation",
    "vpc-lattice:DescribeServiceNetworkVpcEndpointAssociation", "iam:AttachGroupPolicy", "iam:DetachGroupPolicy",
    "iam:AttachUserPolicy", "iam:DetachUserPolicy", "dynamodb:Query",
    # Denied: a role keeps its boundary.
    "iam:DeleteRolePermissionsBoundary",
}
# A managed policy may have so many characters, white space not counted.
LIMIT = 6144


def policy(name):
    return json.loads((ROOT / f"infra/iam/{name}.json").read_text())["Statement"]


def matches(statements, effect, action):
    patterns = [pattern for statement in statements if statement["Effect"] == effect for pattern in listed(statement["Action"])]
    return any(fnmatch.fnmatch(action.lower(), pattern.lower()) for pattern in patterns)


def asked_for():
    """The permissions to make, read, change and delete what the templates have, by type of resource."""
    kinds = {resource["Type"] for path in TEMPLATES for resource in translated(path)["Resources"].values()}
    found = {}
    for path in (Path(cfnlint.__file__).parent / "data/schemas/resources").glob("*.json"):
        described = json.loads(path.read_text())
        if described.get("typeName") in kinds:
            asked = {action for handler in described["handlers"].values() for action in handler["permissions"]}
            found.setdefault(described["typeName"], set()).update(asked)
    return kinds, found


class Deployer(unittest.TestCase):
    def test_the_deployer_may_do_what_every_resource_asks_for(self):
        kinds, asked = asked_for()
        self.assertEqual(asked.keys(), kinds)
        statements, missing = policy("deployer"), {}
        unconditional = [statement for statement in statements if "Condition" not in statement]
        for kind, actions in asked.items():
            needed = actions - UNUSED
            lacks = {action for action in needed if not matches(statements, "Allow", action) or matches(unconditional, "Deny", action)}
            if lacks:
                missing[kind] = lacks
        self.assertEqual(missing, {})

    def test_the_deployer_reads_no_secret_no_row_and_invokes_nothing(self):
        for action in ["secretsmanager:GetSecretValue", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Scan", "dynamodb:Query", "lambda:InvokeFunction"]:
            self.assertTrue(matches(policy("deployer"), "Deny", action), action)
        [denied] = [statement for statement in policy("deployer") if statement["Effect"] == "Deny" and "Condition" in statement]
        self.assertEqual(denied["Condition"], {"StringNotEquals": {"aws:CalledViaFirst": "cloudformation.amazonaws.com"}})

    def test_the_deployer_makes_no_role_beyond_the_boundary(self):
        for statement in policy("deployer"):
            for action in ["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"]:
                if statement["Effect"] == "Allow" and matches([statement], "Allow", action) and statement["Resource"].endswith(":role/evosync-connections*"):
                    self.assertIn("iam:PermissionsBoundary", statement["Condition"]["StringEquals"], action)
        self.assertTrue(matches(policy("deployer"), "Deny", "iam:DeleteRolePermissionsBoundary"))

    def test_everything_the_roles_may_do_is_within_the_boundary(self):
        stack = deployed(Egress="nat", OidcClientSecretId="arn:aws:secretsmanager:x", EventBusArn="arn:aws:events:x").everything()
        for name, role in of_type(stack, "AWS::IAM::Role").items():
            for statement in (each for attached in role["Policies"] for each in attached["PolicyDocument"]["Statement"]):
                for action in listed(statement["Action"]) if statement["Effect"] == "Allow" else []:
                    self.assertTrue(matches(policy("boundary"), "Allow", action), f"{name}: {action}")

    def test_every_role_has_the_boundary_where_one_is_given_and_none_otherwise(self):
        arn = "arn:aws:iam::111122223333:policy/evosync-boundary"
        for given, expected in [({}, None), ({"PermissionsBoundaryArn": arn}, arn)]:
            roles = of_type(deployed(**given).everything(), "AWS::IAM::Role")
            self.assertEqual({name: role.get("PermissionsBoundary") for name, role in roles.items()}, dict.fromkeys(roles, expected))

    def test_policies_fit(self):
        for path in (ROOT / "infra/iam").glob("*.json"):
            self.assertLess(len("".join(path.read_text().split())), LIMIT, path.name)


if __name__ == "__main__":
    unittest.main()
