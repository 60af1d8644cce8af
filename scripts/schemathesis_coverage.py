"""What was answered to the requests that Schemathesis made up: per operation of a document, how many answers of which class.

    schemathesis_coverage.py DOCUMENT CALLS

DOCUMENT is the served OpenAPI document, CALLS what schemathesis_hooks.py has noted. Exit code 1 where an operation was never
answered with success and is not one of EXCEPTIONS; or where the hooks or the links had no effect.
"""

import collections
import json
import sys

# Operations that need not succeed here, and why.
STREAM = "a stream that is open until its client goes: excluded"
NO_ACCESS_CONTROL = "the broker of this lab has no access control: 501, or nothing to take away"
EXCEPTIONS = {
    ("GET", "/api/v1/events"): STREAM,
    ("GET", "/api/watch"): STREAM,
    ("GET", "/api/connections/allocate"): "answers for a connection that is called allocate",
    ("GET", "/openapi.json"): "read by Schemathesis before it begins",
    ("POST", "/api/v1/vops/{id}/users/{user}/password"): NO_ACCESS_CONTROL,
    ("PUT", "/api/v1/vops/{id}/applications/{application}"): NO_ACCESS_CONTROL,
    ("DELETE", "/api/v1/vops/{id}/applications/{application}"): NO_ACCESS_CONTROL,
    ("POST", "/api/v1/connections/{id}/repair"): "only what has FAILED can be repaired: modules here fail by chance, if at all",
}
METHODS = {"GET", "PUT", "POST", "PATCH", "DELETE"}


def main(document_path, calls_path):
    with open(document_path, encoding="utf-8") as file:
        document = json.load(file)
    with open(calls_path, encoding="utf-8") as file:
        calls = [json.loads(line) for line in file]
    classes = collections.defaultdict(collections.Counter)
    for call in calls:
        classes[call["method"], call["path"]][call["status"] // 100] += 1
    operations = [
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method.upper() in METHODS
    ]
    findings = []
    for operation in operations:
        answered = classes[operation]
        counts = "  ".join(f"{number}xx {answered[number]:5}" for number in range(2, 6) if number != 3)
        print(f"{counts}  {operation[0]:6} {operation[1]}")
        if not answered[2] and operation not in EXCEPTIONS:
            findings.append(f"{' '.join(operation)} never succeeded")
    if not calls or not calls[-1]["replaced"]:
        findings.append("the hooks had no effect")
    if not any(call["phase"] == "stateful" for call in calls):
        findings.append("no link was followed")
    for finding in findings:
        print(f"FOUND {finding}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
