"""Tests that the workflows run what there is, and that only a deployment by hand gets credentials."""

import json
import re
import unittest

import yaml

from cloudformation import ROOT

# YAML 1.1 reads the key `on` as true.
WORKFLOW = yaml.load((ROOT / ".github/workflows/ci.yml").read_text(), yaml.BaseLoader)


def commands(job):
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


class Workflows(unittest.TestCase):
    def test_they_run_steps_and_commands_that_there_are(self):
        every = [command for job in WORKFLOW["jobs"] for command in commands(job)]
        self.assertIn(".ci/run", every)
        for command in every:
            for name in re.findall(r"(?:^|\s)((?:\.ci|infra)/[\w/]+)", command):
                self.assertTrue((ROOT / name).is_file(), name)

    def test_functions_are_built_on_the_machine_they_are_for(self):
        self.assertTrue(WORKFLOW["jobs"]["arm64"]["runs-on"].endswith("-arm"))
        self.assertFalse(WORKFLOW["jobs"]["checks"]["runs-on"].endswith("-arm"))

    def test_only_a_deployment_by_hand_from_main_gets_credentials(self):
        self.assertEqual(WORKFLOW["permissions"], {"contents": "read"})
        for name, job in WORKFLOW["jobs"].items():
            gets = job.get("permissions", {}).get("id-token") == "write"
            self.assertEqual(gets, name == "deploy", name)
            self.assertNotIn("secrets.", json.dumps(job), "there is no secret to be kept")
        deploy = WORKFLOW["jobs"]["deploy"]
        for needed in ["github.event_name == 'workflow_dispatch'", "github.ref == 'refs/heads/main'", "inputs.deploy != 'none'"]:
            self.assertIn(needed, deploy["if"])
        self.assertEqual(set(deploy["needs"]), {"checks", "arm64"})
        self.assertEqual(deploy["environment"], "${{ inputs.deploy }}")

    def test_nothing_that_somebody_else_wrote_becomes_part_of_a_command(self):
        for job in WORKFLOW["jobs"]:
            for command in commands(job):
                self.assertNotIn("${{", command)

    def test_the_role_trusts_one_environment_of_one_repository(self):
        [statement] = json.loads((ROOT / "infra/iam/ci-trust.json").read_text())["Statement"]
        self.assertEqual(statement["Condition"].keys(), {"StringEquals"})
        subject = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
        self.assertNotIn("*", subject)


if __name__ == "__main__":
    unittest.main()
