"""Evaluates the templates as CloudFormation does: the SAM transform, conditions, and references through
nested stacks. Values that only AWS knows become `<LogicalId>` or `<LogicalId.Attribute>`.
"""

import copy
import functools
import logging
import os
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
NOTHING = object()
PSEUDO = {
    "AWS::AccountId": "111122223333",
    "AWS::NoValue": NOTHING,
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "evosync",
    "AWS::URLSuffix": "amazonaws.com",
}
# The parameters without a default.
REQUIRED = {"VkClientId": "7000001", "OidcIssuer": "https://issuer.example", "OidcClientId": "evosync"}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms written out."""


def _intrinsic(loader, suffix, node):
    kind = {yaml.ScalarNode: "scalar", yaml.SequenceNode: "sequence", yaml.MappingNode: "mapping"}[type(node)]
    deep = {} if kind == "scalar" else {"deep": True}
    value = getattr(loader, f"construct_{kind}")(node, **deep)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _intrinsic)


def load(path):
    """A template as it is written."""
    return yaml.load((ROOT / path).read_text(), Loader)


@functools.cache
def translated(path):
    """A template after the SAM transform, as CloudFormation runs it in AWS."""
    template = load(path)
    if "Transform" not in template:
        return template
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    os.environ.setdefault("AWS_DEFAULT_REGION", PSEUDO["AWS::Region"])
    from samtranslator.translator.transform import transform

    class NoManagedPolicies:
        def load(self):
            return {}

    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/code"
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = "s3://bucket/layer"
    return transform(template, {}, NoManagedPolicies())


class Stack:
    """One stack: its resources, with every expression evaluated."""

    def __init__(self, path, parameters):
        self.path = path
        self.template = copy.deepcopy(translated(path))
        declared = self.template.get("Parameters", {})
        unknown = set(parameters) - set(declared)
        assert not unknown, f"{path} has no parameter {unknown}"
        self.parameters = {name: str(given["Default"]) for name, given in declared.items() if "Default" in given}
        self.parameters.update(parameters)
        missing = set(declared) - set(self.parameters)
        assert not missing, f"{path} is not given {missing}"
        self.nested = {}
        self.resources = {}
        for name, resource in self.template["Resources"].items():
            if self.holds(resource.get("Condition")) and resource["Type"] == "AWS::CloudFormation::Stack":
                self.child(name)
        for name, resource in self.template["Resources"].items():
            if self.holds(resource.get("Condition")):
                self.resources[name] = {**resource, "Properties": self.value(resource.get("Properties", {}))}

    def everything(self):
        """The resources of this stack and of those in it; logical ids are unique over all of them."""
        found = {}
        for stack in [self, *self.nested.values()]:
            assert not found.keys() & stack.resources.keys()
            found.update(stack.resources)
        return found

    def outputs(self):
        outputs = self.template.get("Outputs", {}).items()
        return {name: self.value(output["Value"]) for name, output in outputs if self.holds(output.get("Condition"))}

    def child(self, name):
        if name not in self.nested:
            properties = self.template["Resources"][name]["Properties"]
            parameters = {key: str(self.value(value)) for key, value in properties["Parameters"].items()}
            self.nested[name] = Stack(properties["TemplateURL"], parameters)
        return self.nested[name]

    def holds(self, condition):
        """Whether a condition, by name or written out, is met."""
        match condition:
            case None:
                return True
            case str(name):
                return self.holds(self.template["Conditions"][name])
            case {"Condition": name}:
                return self.holds(name)
            case {"Fn::Not": [inner]}:
                return not self.holds(inner)
            case {"Fn::And": parts}:
                return all(self.holds(part) for part in parts)
            case {"Fn::Or": parts}:
                return any(self.holds(part) for part in parts)
            case {"Fn::Equals": [left, right]}:
                return str(self.value(left)) == str(self.value(right))
        raise ValueError(condition)

    def value(self, expression):
        """A property with its intrinsic functions evaluated."""
        match expression:
            case {"Ref": name}:
                return self.reference(name)
            case {"Fn::GetAtt": [name, attribute]}:
                return self.attribute(name, attribute)
            case {"Fn::If": [condition, then, otherwise]}:
                return self.value(then if self.holds(condition) else otherwise)
            case {"Fn::Sub": [str(text), dict(names)]}:
                return self.substitute(text, {name: self.value(value) for name, value in names.items()})
            case {"Fn::Sub": str(text)}:
                return self.substitute(text, {})
            case {"Fn::FindInMap": [name, key, member]}:
                return self.template["Mappings"][name][self.value(key)][member]
            case {"Fn::Join": [separator, parts]}:
                return separator.join(self.value(part) for part in parts)
            case {"Fn::Split": [separator, text]}:
                return self.value(text).split(separator)
            case dict():
                values = {key: self.value(value) for key, value in expression.items()}
                return {key: value for key, value in values.items() if value is not NOTHING}
            case list():
                values = [self.value(value) for value in expression]
                return [value for value in values if value is not NOTHING]
        return expression

    def reference(self, name):
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        assert name in self.template["Resources"], f"{self.path}: nothing is called {name}"
        return f"<{name}>"

    def attribute(self, name, attribute):
        if attribute.startswith("Outputs."):
            return self.child(name).outputs()[attribute.removeprefix("Outputs.")]
        assert name in self.template["Resources"], f"{self.path}: nothing is called {name}"
        return f"<{name}.{attribute}>"

    def substitute(self, text, names):
        def replaced(match):
            name = match[1]
            if name in names:
                return names[name]
            return self.attribute(*name.split(".", 1)) if "." in name else self.reference(name)

        return re.sub(r"\$\{([^}]+)\}", replaced, text)


def deployed(**parameters):
    """The whole product, deployed with the required parameters and these."""
    return Stack("template.yaml", {**REQUIRED, **parameters})


def of_type(resources, kind):
    """The resources of a type, by logical id."""
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def listed(value):
    """A value as a list, whether it is one item or a list."""
    return value if isinstance(value, list) else [value]
