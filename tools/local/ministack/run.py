"""Runs MiniStack so that nothing outlives the command that started it.

Without arguments this is the supervisor: it starts itself once more with `serve`, and when its
standard input closes (which happens however the parent ends, a kill included) or the server ends, it
kills its whole process group, and with it every function process that MiniStack started.

With `serve` it is MiniStack with some things made as AWS has them:

- `SimulatePrincipalPolicy` takes `ContextEntries` into account. MiniStack 1.5.33 ignores them, and
  then no statement with a condition of a service (`iam:PassedToService`,
  `lambda:FunctionUrlAuthType`) could ever allow anything.
- Metric alarms look at their own dimensions only, at missing data too, and as often as somebody looks
  at them. MiniStack 1.5.33 adds up the metric over all dimensions, so that one service's errors fire
  every service's alarm, and an alarm whose data ends never recovers.
- Layers that are uploaded in parts are kept, and their download URL leads to this machine. MiniStack
  1.5.33 forgets the parts, and names an address of AWS.
- A range of one version of an object is that range. MiniStack 1.5.33 hands out the whole object, so that
  no archive larger than what is read at a time could be looked into.
- `aws:PrincipalArn` of a session is the ARN of its role. MiniStack 1.5.33 gives the session's own, and then
  no trust policy that names a role in a condition could let anybody in.
- Every request counts as encrypted. What passes between two programs of this machine is not, but the
  policies of a bucket that takes nothing else are kept in force.
"""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit
from xml.sax.saxutils import escape


def supervise():
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdin=subprocess.DEVNULL)

    def end(wait):
        wait()
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=end, args=(server.wait,), daemon=True).start()
    end(sys.stdin.buffer.read)


def context_of(parameters, read):
    entries = {}
    number = 1
    while key := read(parameters, f"ContextEntries.member.{number}.ContextKeyName"):
        value = read(parameters, f"ContextEntries.member.{number}.ContextKeyValues.member.1")
        entries[key.lower()] = value
        number += 1
    return entries


def simulate(parameters):
    from ministack.core import iam_evaluator as evaluator
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import iam

    source = iam._p(parameters, "PolicySourceArn")
    kind, _, name = source.split(":", 5)[-1].partition("/")
    gather = {"user": evaluator._gather_user_policies, "role": evaluator._gather_role_policies}.get(kind)
    policies = gather(name.rsplit("/", 1)[-1], get_account_id()) if gather else []
    actions, resource = iam._extract_simulate_params(parameters)
    results = ""
    for action in actions:
        context = evaluator.EvalContext(
            principal_arn=source,
            principal_type="User" if kind == "user" else "AssumedRole",
            principal_account=get_account_id(),
            action=action,
            resource_arn=resource,
            region=get_region(),
            source_ip="127.0.0.1",
            secure_transport=True,
            service_context=context_of(parameters, iam._p),
        )
        decision = evaluator.evaluate(context, policies).decision if policies else "ImplicitDeny"
        word = {"Allow": "allowed", "Deny": "explicitDeny"}.get(decision, "implicitDeny")
        results += (
            f"<member><EvalActionName>{escape(action)}</EvalActionName>"
            f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
            f"<EvalDecision>{word}</EvalDecision></member>"
        )
    return iam._xml(
        200,
        "SimulatePrincipalPolicyResponse",
        "<SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>"
        f"<EvaluationResults>{results}</EvaluationResults></SimulatePrincipalPolicyResult>",
        ns="iam",
    )


COMPARISONS = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}

# Until when an alarm that was set by hand stays as it was set: CloudWatch looks again a period later.
set_by_hand = {}


def breaching(cloudwatch, alarm, now):
    """Per period, the newest first: whether the threshold is crossed; None where there is no data."""
    wanted = {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []}
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(wanted))
    # What is being measured right now may be added to the list at any time.
    points = list(cloudwatch._metrics.get(key) or [])
    period = int(alarm.get("Period", 60))
    name = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    compare = COMPARISONS.get(alarm.get("ComparisonOperator"), lambda value, threshold: False)
    for number in range(int(alarm.get("EvaluationPeriods", 1))):
        end = now - number * period
        within = [p for p in points if end - period < p["Timestamp"] <= end]
        value = None
        if within:
            value = cloudwatch._stat_value(cloudwatch._calc_stats(within), name, within)
        yield None if value is None else compare(value, float(alarm.get("Threshold", 0)))


def state_of(alarm, periods):
    missing = alarm.get("TreatMissingData", "missing")
    if all(period is None for period in periods):
        kept = alarm["StateValue"]
        states = {"notBreaching": "OK", "breaching": "ALARM", "ignore": kept}
        return states.get(missing, "INSUFFICIENT_DATA")
    crossed = [missing == "breaching" if period is None else period for period in periods]
    enough = int(alarm.get("DatapointsToAlarm") or len(periods))
    return "ALARM" if sum(crossed) >= enough else "OK"


def evaluate(cloudwatch, alarm):
    now = time.time()
    if not alarm.get("MetricName") or set_by_hand.get(alarm["AlarmArn"], 0) > now:
        return
    before, periods = alarm["StateValue"], list(breaching(cloudwatch, alarm, now))
    after = state_of(alarm, periods)
    if before == after:
        return
    reason = (
        f"Threshold Crossed: {periods.count(True)} of the last {len(periods)} datapoints "
        f"({alarm['MetricName']}, {alarm.get('Period', 60)} s each) are beyond {alarm['Threshold']}"
    )
    alarm["StateValue"], alarm["StateReason"] = after, reason
    alarm["StateUpdatedTimestamp"] = int(now)
    cloudwatch._record_history(alarm["AlarmName"], before, after, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, after, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def watch_alarms(cloudwatch):
    describe, set_state = cloudwatch._describe_alarms, cloudwatch._set_alarm_state

    def described(params, body, *protocol):
        cloudwatch._evaluate_all_alarms()
        return describe(params, body, *protocol)

    def set_state_for_a_period(params, body, *protocol):
        name = (body or {}).get("AlarmName") or cloudwatch._p(params, "AlarmName")
        if alarm := cloudwatch._alarms.get(name):
            set_by_hand[alarm["AlarmArn"]] = time.time() + int(alarm.get("Period", 60))
        return set_state(params, body, *protocol)

    cloudwatch._evaluate_alarm = lambda alarm: evaluate(cloudwatch, alarm)
    cloudwatch._describe_alarms = described
    cloudwatch._set_alarm_state = set_state_for_a_period


def keep_layers(ecr, endpoint):
    from ministack.core.responses import error_response_json, json_response

    parts = {}
    complete, download = ecr._complete_layer_upload, ecr._get_download_url_for_layer

    def upload_part(data):
        upload = data.get("uploadId", "")
        parts[upload] = parts.get(upload, b"") + base64.b64decode(data.get("layerPartBlob", ""))
        return json_response({
            "registryId": ecr._registry_id(),
            "repositoryName": data.get("repositoryName", ""),
            "uploadId": upload,
            "lastByteReceived": len(parts[upload]) - 1,
        })

    def complete_upload(data):
        blob = parts.pop(data.get("uploadId", ""), b"")
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        if digest not in data.get("layerDigests", []):
            message = f"The digest of what was uploaded is {digest}"
            return error_response_json("InvalidLayerException", message)
        ecr._layer_blobs.setdefault(data.get("repositoryName", ""), {})[digest] = blob
        return complete(data)

    def download_url(data):
        status, headers, body = download(data)
        answer = json.loads(body)
        if "downloadUrl" in answer:
            answer["downloadUrl"] = endpoint + urlsplit(answer["downloadUrl"]).path
        return status, headers, json.dumps(answer).encode()

    ecr._upload_layer_part = upload_part
    ecr._complete_layer_upload = complete_upload
    ecr._get_download_url_for_layer = download_url


def cut_versions(s3):
    get = s3._get_object

    def get_range(bucket, key, headers, query_params=None):
        status, answer, body = get(bucket, key, headers, query_params)
        wanted = headers.get("range", "")
        if status != 200 or not wanted:
            return status, answer, body
        span = s3._parse_range(wanted, len(body))
        if span is None:
            error = s3._xml_body(s3._range_error_xml(bucket, key))
            return 416, {"Content-Type": "application/xml"}, error
        first, last = span
        part = body[first : last + 1]
        # A checksum of the whole does not fit a part of it.
        kept = {k: v for k, v in answer.items() if not k.lower().startswith("x-amz-checksum-")}
        kept["Content-Length"] = str(len(part))
        kept["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        return 206, kept, part

    s3._get_object = get_range


def name_roles(evaluator, iam):
    resolve = evaluator._resolve_condition_key

    def resolve_role(key, context):
        value = resolve(key, context)
        if key.lower() != "aws:principalarn" or ":assumed-role/" not in (value or ""):
            return value
        account, name = value.split(":")[4], value.split("/")[1]
        role = iam._roles.get_scoped(account, None, name)
        return role["Arn"] if role else value

    evaluator._resolve_condition_key = resolve_role


def serve():
    from ministack import app
    from ministack.core import iam_evaluator
    from ministack.core.iam_evaluator import pin_request_origin
    from ministack.services import cloudwatch, ecr, iam, s3

    handlers = next(
        table
        for table in vars(iam).values()
        if isinstance(table, dict) and "SimulatePrincipalPolicy" in table
    )
    handlers["SimulatePrincipalPolicy"] = simulate
    watch_alarms(cloudwatch)
    keep_layers(ecr, os.environ["AWS_ENDPOINT_URL"])
    cut_versions(s3)
    name_roles(iam_evaluator, iam)
    app.pin_request_origin = lambda address, _encrypted: pin_request_origin(address, True)
    sys.argv = ["ministack"]
    app.main()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else supervise()
