"""Deploys a SAM template to the embedded cloud: what `sam package` and `sam deploy` do, without the SAM client.

Local `CodeUri` folders become objects in an artefact bucket; nothing else in the template changes. One JSON object per
line on standard output tells the runner what is going on; the last one is the result.
"""

import hashlib
import io
import itertools
import json
import os
import re
import sys
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ARTEFACTS = "bookbag-artefacts"
DEADLINE_SECONDS = 300
INLINE_LIMIT = 51_200
GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
# In these a stack can only be deleted and made again.
DEAD = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED"}
FAILED_EVENT = re.compile(r"_FAILED$")
CODE_URI = re.compile(r"^(?P<key>\s*CodeUri:\s*)['\"]?(?P<path>\.{1,2}/[^'\"\s]+)['\"]?\s*$", re.MULTILINE)


def say(kind, **fields):
    print(json.dumps({"event": kind, **fields}), flush=True)


class Failure(Exception):
    """A deployment that did not work, with a sentence for the developer."""


def packed(folder):
    """A reproducible archive of a folder: the same binary gives the same key, so an unchanged function is not updated."""
    if not os.path.isfile(os.path.join(folder, "bootstrap")):
        raise Failure(f"{os.path.basename(folder)} has no bootstrap: the functions are not built.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        info = zipfile.ZipInfo("bootstrap", (2020, 1, 1, 0, 0, 0))
        info.external_attr = 0o755 << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        with open(os.path.join(folder, "bootstrap"), "rb") as binary:
            archive.writestr(info, binary.read())
    return buffer.getvalue()


def package(s3, template_path, region):
    """The template's text with every local CodeUri replaced by where its archive was put."""
    with open(template_path, encoding="utf-8") as file:
        text = file.read()
    base = os.path.dirname(os.path.abspath(template_path))
    try:
        s3.create_bucket(Bucket=ARTEFACTS, CreateBucketConfiguration={"LocationConstraint": region})
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise

    # The archives take most of the time; the last step is the stack itself.
    steps = len(CODE_URI.findall(text)) + 1
    packing = itertools.count()

    def upload(match):
        folder = os.path.normpath(os.path.join(base, match["path"]))
        name = os.path.basename(folder)
        say("progress", text=f"packing {name}", done=next(packing), total=steps)
        archive = packed(folder)
        key = f"{name}/{hashlib.sha256(archive).hexdigest()}.zip"
        s3.put_object(Bucket=ARTEFACTS, Key=key, Body=archive)
        return f"{match['key']}s3://{ARTEFACTS}/{key}"

    packed_text = CODE_URI.sub(upload, text)
    say("progress", text="making the resources", done=steps - 1, total=steps)
    return packed_text


def current(cfn, name):
    try:
        return cfn.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def wait(cfn, name, gone=False):
    """Polls until the stack has settled."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        stack = current(cfn, name)
        status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
        say("progress", text=status)
        if not status.endswith("_IN_PROGRESS") and (not gone or status.startswith("DELETE")):
            return status
        time.sleep(0.25)
    raise Failure(f"The stack {name} did not settle within {DEADLINE_SECONDS} seconds.")


def reason(cfn, name):
    """Resource and reason of the first failure of the last operation, oldest first."""
    events = cfn.describe_stack_events(StackName=name)["StackEvents"]
    failures = [e for e in events if FAILED_EVENT.search(e["ResourceStatus"])]
    own = [e for e in failures if e["LogicalResourceId"] != name] or failures
    if not own:
        return name, "no reason was given"
    first = own[-1]
    return first["LogicalResourceId"], first.get("ResourceStatusReason", "no reason was given")


def deploy(cfn, s3, args):
    body = package(s3, args["template"], args["region"])
    source = {"TemplateBody": body}
    if len(body.encode()) > INLINE_LIMIT:
        key = f"templates/{hashlib.sha256(body.encode()).hexdigest()}.yaml"
        s3.put_object(Bucket=ARTEFACTS, Key=key, Body=body.encode())
        source = {"TemplateURL": f"{args['endpoint_url']}/{ARTEFACTS}/{key}"}
    name = args["stack"]
    request = {
        "StackName": name,
        **source,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in args["parameters"].items()],
    }
    stack = current(cfn, name)
    if stack and stack["StackStatus"] in DEAD:
        cfn.delete_stack(StackName=name)
        wait(cfn, name, gone=True)
        stack = None
    try:
        if stack:
            cfn.update_stack(**request)
        else:
            cfn.create_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise
    status = wait(cfn, name)
    if status not in GOOD:
        resource, why = reason(cfn, name)
        raise Failure(f"{resource} failed ({status}): {why}")


def kebab(logical_id):
    return re.sub(r"(?<!^)(?=[A-Z])", "-", logical_id.removesuffix("Function")).lower()


def access_key(configuration):
    """The key id MiniStack 1.5.33 gives a function's role session: it names the caller in the tap's call log."""
    digest = hashlib.sha256(f"{configuration['FunctionArn']}:{configuration['Role']}".encode()).hexdigest()
    return f"ASIA{digest[:16].upper()}"


def functions(cfn, awslambda, name):
    found = []
    for page in cfn.get_paginator("list_stack_resources").paginate(StackName=name):
        for resource in page["StackResourceSummaries"]:
            if resource["ResourceType"] == "AWS::Lambda::Function":
                configuration = awslambda.get_function_configuration(FunctionName=resource["PhysicalResourceId"])
                found.append({
                    "name": kebab(resource["LogicalResourceId"]),
                    "physical_name": resource["PhysicalResourceId"],
                    "access_key": access_key(configuration),
                    "environment": configuration.get("Environment", {}).get("Variables", {}),
                })
    return sorted(found, key=lambda function: function["name"])


def main():
    args = json.load(sys.stdin)
    session = boto3.Session(
        aws_access_key_id=args["access_key"], aws_secret_access_key=args["secret_key"], region_name=args["region"]
    )
    config = Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"}, read_timeout=DEADLINE_SECONDS)

    def client(service):
        return session.client(service, endpoint_url=args["endpoint_url"], config=config)

    cfn = client("cloudformation")
    try:
        deploy(cfn, client("s3"), args)
        stack = current(cfn, args["stack"])
        say(
            "done",
            outputs={o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])},
            functions=functions(cfn, client("lambda"), args["stack"]),
        )
    except Failure as failure:
        say("failed", text=str(failure))
        sys.exit(1)
    except (ClientError, BotoCoreError) as error:
        say("failed", text=str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
