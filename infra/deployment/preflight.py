"""What would stop a deployment after minutes, found before anything is built, each with what mends it."""

import subprocess
import tomllib

from aws import AwsError, parameters_of
from rules import broken
from told import ROOT, Refused

TARGETS = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}
# Of early 2026. CI has a later one; with earlier ones nothing was tried.
OLDEST_SAM = (1, 154, 0)
# Functions that FunctionReservedConcurrency is for: those behind the API.
BEHIND_THE_API = 7
# Lambda keeps so much of an account's concurrency for functions that reserve none.
KEPT_UNRESERVED = 100
# Below it, a new account's quota is likely to throttle merchants.
COMFORTABLE = 100
QUOTA = "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384"
# States of a stack that no deployment can begin from, and the way out.
STUCK = {
    "ROLLBACK_COMPLETE": "delete what is left of a first deployment that failed: aws cloudformation delete-stack --stack-name {}",
    "ROLLBACK_FAILED": "delete what is left of a first deployment that failed: aws cloudformation delete-stack --stack-name {}",
    "DELETE_FAILED": "see its events for what would not go, then: aws cloudformation delete-stack --stack-name {}",
    "UPDATE_ROLLBACK_FAILED": "see its events, mend the cause, then: aws cloudformation continue-update-rollback --stack-name {}",
}


def preflight(told, aws, is_built):
    """Prints where the deployment goes, and raises Refused with all that stands in its way.

    `is_built` says that the functions are there already, so that nothing is needed to build them.
    """
    problems = [*unfilled(told), *missing_roots(told), *old_sam()]
    stack, reached = reach(told, aws)
    problems += reached
    if not reached:
        deployed = parameters_of(stack)
        problems += [*stuck(told.stack, stack), *short_of_concurrency(told, aws, deployed), *wrong_certificate(told, aws, deployed)]
        problems += do_not_go_together(told, deployed)
        note_an_old_cli()
    if not is_built:
        problems += missing_tools(architecture(told, stack))
    if problems:
        raise Refused("\n".join(f"{what}\n  {mend}" for what, mend in problems))
    return stack


def architecture(told, stack):
    """What the functions are built for: as told, or as the stack has it."""
    return told.effective("Architecture", parameters_of(stack))


def unfilled(told):
    names = [name for name, value in told.parameters.items() if "TO-BE-FILLED-IN" in value]
    if names:
        yield f"samconfig.toml leaves {', '.join(names)} to be filled in for {told.environment}", "fill them in, or delete the lines you have no use for"


def do_not_go_together(told, deployed):
    # Whoever is asked for every parameter has not answered yet.
    if "--guided" not in told.options:
        for rule in broken(lambda parameter: told.effective(parameter, deployed)):
            yield rule, f"write it into parameter_overrides of {told.environment} in samconfig.toml"


def note_an_old_cli():
    said = printed("aws", "--version")
    if said and said.startswith("aws-cli/1."):
        print("note: the AWS CLI is of version 1, and the commands of docs/operations.md are written for version 2")


def missing_roots(told):
    for parameter in ["VkRootsFile", "EvotorRootsFile"]:
        name = told.parameters.get(parameter)
        if name and not (ROOT / "infra/roots" / name).is_file():
            yield f"infra/roots has no {name}, which {parameter} names", "put it there; infra/roots/README.md says how to check it"


def reach(told, aws):
    """The stack as it is, if any, and what stands between us and the account."""
    if not aws.region:
        return None, [("no region is set", "export AWS_REGION=eu-central-1, or whichever it is to be")]
    try:
        who = aws.ask("sts", "get-caller-identity")
        stack = aws.stack(told.stack)
    except AwsError as error:
        return None, [(f"cannot reach the account: {error}", "install the AWS CLI and sign it in: aws configure, or aws sso login")]
    state = stack["StackStatus"] if stack else "new"
    print(f"account {who['Account']}, as {who['Arn']}\nregion {aws.region}\nstack {told.stack}, {state}", flush=True)
    return stack, []


def stuck(name, stack):
    state = stack["StackStatus"] if stack else ""
    if state in STUCK:
        yield f"stack {name} is in {state}", STUCK[state].format(name)
    elif state.endswith("_IN_PROGRESS") and state != "REVIEW_IN_PROGRESS":
        yield f"stack {name} is in {state}", "wait until that has ended, and try again"


def short_of_concurrency(told, aws, deployed):
    try:
        limits = aws.ask("lambda", "get-account-settings")["AccountLimit"]
    except AwsError as error:
        print(f"note: Lambda's concurrency quota cannot be read: {error}")
        return
    quota, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"] - KEPT_UNRESERVED
    more = reserved(told, deployed) - (reserved(told, deployed, is_before=True) if deployed else 0)
    if more > max(free, 0):
        wanted = quota + more - max(free, 0) if free > 0 else reserved(told, deployed) + KEPT_UNRESERVED
        yield (
            f"{more} concurrent executions are to be reserved, and the account's quota of {quota} leaves {max(free, 0)}",
            f"leave out SweepReservedConcurrency and FunctionReservedConcurrency, or: {QUOTA} --desired-value {max(wanted, 1000)}",
        )
    elif quota < COMFORTABLE:
        print(f"note: the account runs {quota} functions at once, as new ones do; before merchants come: {QUOTA} --desired-value 1000")


def reserved(told, deployed, is_before=False):
    """The concurrency that a deployment reserves, or that the stack has reserved before it."""
    def value(name):
        return deployed.get(name, "0") if is_before else told.effective(name, deployed)

    sweep = int(value("SweepSegments")) + 1 if value("SweepReservedConcurrency") == "matching" else 0
    return sweep + BEHIND_THE_API * int(value("FunctionReservedConcurrency"))


def wrong_certificate(told, aws, deployed):
    domain = told.parameters.get("DomainName", deployed.get("DomainName"))
    arn = told.parameters.get("CertificateArn", deployed.get("CertificateArn"))
    if not domain or not arn or arn == "TO-BE-FILLED-IN":
        return
    request = f"aws acm request-certificate --region {aws.region} --validation-method DNS --domain-name {domain}"
    home = (arn.split(":") + [""] * 4)[3]
    if home != aws.region:
        yield f"the certificate is in {home or 'no region'}, and the API is in {aws.region}", request
        return
    try:
        certificate = aws.ask("acm", "describe-certificate", "--certificate-arn", arn)["Certificate"]
    except AwsError as error:
        yield f"the certificate cannot be read: {error}", request
        return
    if certificate["Status"] != "ISSUED":
        mend = f"point DNS where ACM says, then: aws acm wait certificate-validated --certificate-arn {arn}"
        yield f"the certificate is {certificate['Status']}, not ISSUED", mend
    names = {certificate["DomainName"], *certificate.get("SubjectAlternativeNames", [])}
    if not {domain, f"*.{domain.partition('.')[2]}"} & names:
        yield f"the certificate is for {', '.join(sorted(names))}, not for {domain}", request


def old_sam():
    said = printed("sam", "--version")
    if said is None:
        yield "the SAM CLI is not installed", "infra/setup"
    elif numbers(said) < OLDEST_SAM:
        yield f"the SAM CLI is too old: {said}, and 1.154.0 (of 2026) or later is needed", "infra/setup"


def missing_tools(architecture):
    target = TARGETS[architecture]
    wanted = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    rust = printed("rustc", "--version")
    if rust is None or numbers(rust) < numbers(wanted):
        yield f"Rust {wanted} or later is needed, not {rust or 'none'}", "rustup update stable, or https://rustup.rs"
    libraries = printed("rustc", "--print", "target-libdir", "--target", target)
    if rust and not (libraries and is_folder(libraries)):
        yield f"Rust cannot build for {architecture}", f"rustup target add {target}"
    if printed("cargo", "lambda", "--version") is None:
        yield "cargo-lambda is not installed", "infra/setup"
    if printed("zig", "version") is None and printed("python3", "-m", "ziglang", "version") is None:
        yield "zig, which links for Lambda's machines, is not installed", "infra/setup"


def is_folder(path):
    return (ROOT / path).is_dir()


def printed(*command):
    """The last line that a command prints; None where it fails or is not there."""
    try:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return (ran.stdout.strip().splitlines() or [""])[-1] if ran.returncode == 0 else None


def numbers(text):
    """The first version in a text, to be compared."""
    found = next((word for word in text.split() if word[0].isdigit() and "." in word), "0")
    return tuple(int(part) for part in found.split("-")[0].split(".") if part.isdigit())
