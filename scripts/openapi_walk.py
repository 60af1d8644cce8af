"""Asks a service for what the examples of its OpenAPI document name, and follows the document's links from answer to answer:
what is made is used and taken away again.

    openapi_walk.py DOCUMENT URL CALLS

Every answer is noted in CALLS as schemathesis_hooks.py does. Exit code 1 where a link leads to something that is refused.
"""

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

# Every port of the lab has an owner.
ADAPTED = {("POST", "/api/v1/vops"): {"interface_assignments": []}}
# The answer says that it is not there, or that it cannot be done here: links may lead to these.
MAY_REFUSE = {("GET", "/api/v1/connections/{id}/qot")}
ORDER = ["POST", "PUT", "GET", "PATCH", "DELETE"]


class Walk:
    def __init__(self, document, url, calls):
        self.url = url
        self.calls = calls
        self.operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
        }
        self.followed = set()
        self.refused = []

    def ask(self, method, path, operation, values):
        """Status and JSON of an answer to the example of an operation; `values` are those of path parameters."""
        query = {}
        for parameter in operation.get("parameters", []):
            name = parameter["name"]
            if parameter["in"] == "path":
                value = values.get(name, parameter.get("example", "none"))
                path = path.replace("{" + name + "}", urllib.parse.quote(str(value), safe=""))
            elif name == "wait":
                # The next step is possible when this one has ended.
                query["wait"] = "30"
        media = operation.get("requestBody", {}).get("content", {}).get("application/json")
        body = None
        if media:
            body = {**media["example"], **ADAPTED.get((method, operation["path"]), {})}
        address = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"} if data else {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            status, text = refused.code, refused.read()
        line = {"method": method, "path": operation["path"], "status": status, "phase": "walk", "replaced": 0}
        print(json.dumps(line), file=self.calls, flush=True)
        try:
            return status, body, json.loads(text)
        except ValueError:
            return status, body, None

    def go(self, name, values):
        """Asks, and follows what the answer links to, what takes away last. Answers the status."""
        method, path, operation = self.operations[name]
        operation["path"] = path
        status, _, answer = self.ask(method, path, operation, values)
        asked = {**{p["name"]: p.get("example") for p in operation.get("parameters", [])}, **values}
        links = operation["responses"].get(str(status), {}).get("links", {})
        for link in sorted(links.values(), key=lambda link: ORDER.index(self.operations[link["operationId"]][0])):
            target = link["operationId"]
            if (name, target) in self.followed:
                continue
            self.followed.add((name, target))
            found = {key: value_of(text, asked, answer) for key, text in link["parameters"].items()}
            if None in found.values():
                continue
            reached = self.go(target, found)
            if reached >= 400 and self.operations[target][:2] not in MAY_REFUSE:
                self.refused.append(f"{name} [{status}] leads to {target} [{reached}]")
        return status

    def all(self):
        """Begins with what makes something, then asks for everything else that can be read."""
        for method in ["POST", "PUT", "PATCH", "GET"]:
            for name, (of, path, operation) in self.operations.items():
                streams = any("text/event-stream" in r.get("content", {}) for r in operation["responses"].values())
                if of == method and not streams:
                    self.go(name, {})


def value_of(expression, asked, answer):
    """The value of a runtime expression of OpenAPI."""
    if expression.startswith("$request.path."):
        return asked.get(expression.removeprefix("$request.path."))
    value = answer
    for part in re.sub(r"^\$response\.body#/", "", expression).split("/"):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def main(document_path, url, calls_path):
    with open(document_path, encoding="utf-8") as file:
        document = json.load(file)
    with open(calls_path, "a", encoding="utf-8") as calls:
        walk = Walk(document, url, calls)
        walk.all()
    for refused in walk.refused:
        print(f"FOUND {refused}")
    print(f"{len(walk.followed)} links followed")
    return 1 if walk.refused or not walk.followed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
