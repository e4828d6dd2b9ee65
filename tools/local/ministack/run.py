"""Runs MiniStack so that nothing outlives the command that started it.

Without arguments this is the supervisor: it starts itself once more with `serve`, and when its
standard input closes (which happens however the parent ends, a kill included) or the server ends, it
kills its whole process group, and with it every function process that MiniStack started.

With `serve` it is MiniStack with one thing added: `SimulatePrincipalPolicy` takes `ContextEntries`
into account, as AWS does. MiniStack 1.5.33 ignores them, and then no statement with a condition of a
service (`iam:PassedToService`, `lambda:FunctionUrlAuthType`) could ever allow anything.
"""

import os
import signal
import subprocess
import sys
import threading
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


def serve():
    from ministack.app import main
    from ministack.services import iam

    handlers = next(
        table
        for table in vars(iam).values()
        if isinstance(table, dict) and "SimulatePrincipalPolicy" in table
    )
    handlers["SimulatePrincipalPolicy"] = simulate
    sys.argv = ["ministack"]
    main()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else supervise()
