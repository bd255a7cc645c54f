"""A small server that answers what W&B's client really asks: GraphQL, the stream of a run's files, uploads.

It keeps what it is sent as the real one does: runs by id, rows by step, files, versions of artifacts by digest. Faults
can be set: so many answers of 429 or 500, or none at all. Longer than most files: it is one server.
"""

import base64
import gzip
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class StandIn:
    """The server, and all that it was sent."""

    def __init__(self):
        self.runs: dict[str, dict[str, Any]] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.unknown: list[str] = []
        self.faults: dict[str, list[int]] = {}
        self.used: dict[str, list[str]] = {}
        self.lock = threading.RLock()
        stand_in = self

        class Handler(_Handler):
            state = stand_in

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: StandIn

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.state.lock:
            path, request = unquote(self.path), {}
            kind = "file_stream" if path.endswith("/file_stream") else self.command
            if path == "/graphql":
                request = json.loads(body)
                kind = request.get("operationName") or _operation(request["query"])
            self.state.asked[kind] += 1
            if faults := self.state.faults.get(kind) or self.state.faults.get("*"):
                self._answer(faults.pop(0), b'{"error": "try again later"}')
            elif kind == "file_stream":
                self._json(_stream(self.state, path.split("/")[4], json.loads(body)))
            elif kind == "PUT":
                self.state.files[path] = body
                self._answer(200, b"")
            elif kind == "GET":
                # The files of artifacts are asked for by what they hold.
                kept = f"/content/{path.split('/')[-2]}" if path.startswith("/artifactsV2/") else path
                found = self.state.files.get(kept)
                self._answer(200 if found is not None else 404, found or b"")
            elif known := globals().get(f"_{kind}"):
                self._json({"data": known(self.state, request.get("variables") or {}, request["query"])})
            else:
                self.state.unknown.append(json.dumps(request))
                self._json({"errors": [{"message": f"unknown operation {kind}"}]})

    do_GET = do_POST = do_PUT = _handle

    def _json(self, what: object) -> None:
        self._answer(200, json.dumps(what).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _operation(query: str) -> str:
    found = re.search(r"(?:query|mutation)\s+(\w+)", query)
    return found[1] if found else "anonymous"


def _stream(state: StandIn, run: str, request: dict[str, Any]) -> dict[str, Any]:
    """Take up what a run's stream brings: rows at their offset, the summary as a whole, its end."""
    kept = state.runs[run]
    for name, chunk in (request.get("files") or {}).items():
        if name == "wandb-history.jsonl":
            # What is no number in JSON is a word on the way back.
            kept["lines"][chunk["offset"] :] = [json.loads(x, parse_constant=str) for x in chunk["content"]]
        elif name == "wandb-summary.json":
            kept["summary"] = json.loads(chunk["content"][-1])
    if request.get("complete"):
        kept["state"] = "finished" if request.get("exitcode") == 0 else "failed"
    return {"limits": {"rate_limit_seconds": 1}}


def _Viewer(state: StandIn, asked: Any, query: str) -> Any:
    viewer = {
        "id": "1",
        "entity": "lab",
        "username": "me",
        "name": "me",
        "email": "",
        "flags": "{}",
        "admin": False,
    }
    return {"viewer": viewer | {"teams": {"edges": []}, "apiKeys": {"edges": []}}}


def _ServerFeaturesQuery(state: StandIn, asked: Any, query: str) -> Any:
    return {"serverInfo": {"features": []}}


def _OrganizationCoreWeaveOrganizationID(state: StandIn, asked: Any, query: str) -> Any:
    return {"entity": {"organization": {"coreWeaveOrganizationId": None}}}


def _RunResumeStatus(state: StandIn, asked: Any, query: str) -> Any:
    found = state.runs.get(asked["name"])
    lab = {"id": "1", "name": "lab"}
    return {"model": {"id": "1", "name": asked["project"], "entity": lab, "bucket": found and _bucket(found)}}


def _bucket(run: dict[str, Any]) -> dict[str, Any]:
    lines = run["lines"]
    return {
        "id": run["id"],
        "name": run["name"],
        "displayName": run["displayName"],
        "summaryMetrics": json.dumps(run["summary"]),
        "config": json.dumps(run["config"]),
        "logLineCount": 0,
        "eventsLineCount": 0,
        "historyLineCount": len(lines),
        "historyTail": json.dumps([json.dumps(line) for line in lines[-1:]]),
        "eventsTail": "[]",
        "tags": [],
        "notes": None,
        "wandbConfig": '{"t": {}}',  # without it a run has not begun
    }


def _UpsertBucket(state: StandIn, asked: Any, query: str) -> Any:
    name = asked["name"] or next(n for n, run in state.runs.items() if run["id"] == asked["id"])
    inserted = name not in state.runs
    new = {"id": f"id-{name}", "name": name, "lines": [], "summary": {}, "config": {}, "state": "running"}
    run = state.runs.setdefault(name, new | {"displayName": None, "group": None, "project": asked["project"]})
    if asked.get("config"):
        run["config"] = json.loads(asked["config"])
    if asked.get("summaryMetrics"):
        run["summary"] = json.loads(asked["summaryMetrics"])
    run["displayName"] = asked.get("displayName") or run["displayName"]
    run["group"] = asked.get("groupName") or run["group"]
    project = {"id": "1", "name": run["project"], "entity": {"id": "1", "name": "lab"}}
    bucket = _bucket(run) | {"description": None, "sweepName": None, "project": project}
    return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}


def _CreateRunFiles(state: StandIn, asked: Any, query: str) -> Any:
    files = [{"name": name, "uploadUrl": f"{state.url}/run/{asked['run']}/{name}"} for name in asked["files"]]
    return {"createRunFiles": {"runID": asked["run"], "uploadHeaders": [], "files": files}}


def _CreateArtifact(state: StandIn, asked: Any, query: str) -> Any:
    """Take up a version; one of the same digest in its collection is that version."""
    asked = asked["input"]
    name = asked["artifactCollectionName"]
    versions = [a for a in state.artifacts.values() if a["collection"] == name]
    found = next((a for a in versions if a["digest"] == asked["digest"]), None)
    if found is None:
        key = f"artifact-{len(state.artifacts)}"
        found = state.artifacts[key] = {
            "id": key,
            "collection": name,
            "version": len(versions),
            "type": asked["artifactTypeName"],
            "digest": asked["digest"],
            "metadata": asked["metadata"],
            "run": asked["runName"],
            "state": "PENDING",
            "manifest": None,
        }
    latest = {"id": versions[-1]["id"]} if versions else None
    created = {"id": found["id"], "state": found["state"], "artifactSequence": {"latestArtifact": latest}}
    return {"createArtifact": {"artifact": created}}


def _CreateArtifactManifest(state: StandIn, asked: Any, query: str) -> Any:
    path = f"/manifest/{asked['artifactID']}.json"
    state.artifacts[asked["artifactID"]]["manifest"] = path
    file = {"id": "1", "uploadUrl": state.url + path, "uploadHeaders": []}
    return {"createArtifactManifest": {"artifactManifest": {"id": asked["artifactID"], "file": file}}}


def _UpdateArtifactManifest(state: StandIn, asked: Any, query: str) -> Any:
    path = f"/manifest/{asked['artifactManifestID']}.json"
    file = {"id": "1", "uploadUrl": state.url + path, "uploadHeaders": []}
    return {"updateArtifactManifest": {"artifactManifest": {"id": asked["artifactManifestID"], "file": file}}}


def _CreateArtifactFiles(state: StandIn, asked: Any, query: str) -> Any:
    files = (asked.get("input") or asked)["artifactFiles"]
    edges = []
    for file in files:
        digest = base64.b64decode(file["md5"]).hex()
        path = f"/content/{digest}"
        url = None if path in state.files else state.url + path
        node = {"storagePath": path, "uploadUrl": url, "uploadHeaders": [], "uploadMultipartUrls": None}
        edges.append({"node": node | {"artifact": {"id": file["artifactID"]}}})
    return {"createArtifactFiles": {"files": {"edges": edges}}}


def _CommitArtifact(state: StandIn, asked: Any, query: str) -> Any:
    artifact = state.artifacts[asked["artifactID"]]
    artifact["state"] = "COMMITTED"
    return {"commitArtifact": {"artifact": {"id": artifact["id"], "digest": artifact["digest"]}}}


def _UseArtifact(state: StandIn, asked: Any, query: str) -> Any:
    asked = asked.get("input") or asked
    used = state.used.setdefault(asked.get("runName"), [])
    if asked["artifactID"] not in used:
        used.append(asked["artifactID"])
    return {"useArtifact": {"artifact": {"id": asked["artifactID"]}}}


def _ArtifactByID(state: StandIn, asked: Any, query: str) -> Any:
    return {"artifact": _artifact(state.artifacts[asked["id"]])}


def _ArtifactMembershipByName(state: StandIn, asked: Any, query: str) -> Any:
    found = _named(state, asked["name"])
    return {"project": {"artifactCollectionMembership": found and _membership(found)}}


def _named(state: StandIn, name: str) -> dict[str, Any] | None:
    """Return the version that ``collection:latest`` or ``collection:v3`` means."""
    collection, _, version = name.partition(":")
    committed = [a for a in state.artifacts.values() if a["state"] == "COMMITTED"]
    versions = [a for a in committed if a["collection"] == collection]
    if version in ("", "latest"):
        return versions[-1] if versions else None
    return next((a for a in versions if f"v{a['version']}" == version), None)


def _project() -> dict[str, Any]:
    return {"__typename": "Project", "id": "1", "internalId": "1", "name": "p", "entity": {"name": "lab"}}


def _membership(found: dict[str, Any]) -> dict[str, Any]:
    collection = {"__typename": "ArtifactSequence", "name": found["collection"], "project": _project()}
    aliases = [{"__typename": "ArtifactAlias", "id": "1", "alias": "latest"}]
    head = {"__typename": "ArtifactCollectionMembership", "id": found["id"], "versionIndex": found["version"]}
    times = {"createdAt": "2026-11-26T12:00:00"}
    return head | times | {"aliases": aliases, "artifactCollection": collection, "artifact": _artifact(found)}


def _artifact(found: dict[str, Any]) -> dict[str, Any]:
    sequence = {"__typename": "ArtifactSequence", "name": found["collection"], "project": _project()}
    return {
        "__typename": "Artifact",
        "id": found["id"],
        "artifactSequence": sequence,
        "versionIndex": found["version"],
        "artifactType": {"name": found["type"]},
        "description": None,
        "metadata": found["metadata"],
        "ttlDurationSeconds": -1,
        "ttlIsInherited": False,
        "tags": [],
        "historyStep": None,
        "state": found["state"],
        "size": 1,
        "digest": found["digest"],
        "commitHash": "c",
        "fileCount": 1,
        "createdAt": "2026-11-26T12:00:00",
        "updatedAt": "2026-11-26T12:00:00",
        "aliases": [],
    }


def _ArtifactType(state: StandIn, asked: Any, query: str) -> Any:
    found = _named(state, asked["name"])
    return {"project": {"artifact": found and {"artifactType": {"name": found["type"]}}}}


def _GetDefaultEntity(state: StandIn, asked: Any, query: str) -> Any:
    return _Viewer(state, asked, query)


def _Runs(state: StandIn, asked: Any, query: str) -> Any:
    """Return a page of the runs that the filters leave, as small as pages may be."""
    filters = json.loads(asked.get("filters") or "{}")
    among = filters.get("name", {}).get("$in")
    found = [run for run in state.runs.values() if run["project"] == asked["project"]]
    found = [run for run in found if run["group"] == filters.get("group", run["group"])]
    found = [run for run in found if among is None or run["name"] in among]
    at = int(asked.get("cursor") or 0)
    edges = [{"node": _listed(run), "cursor": str(at + 1)} for run in found[at : at + 1]]
    pages = {"endCursor": str(at + 1), "hasNextPage": at + 1 < len(found)}
    runs = {"edges": edges, "pageInfo": pages}
    return {"project": {"internalId": "1", "runCount": len(found), "readOnly": False, "runs": runs}}


def _listed(run: dict[str, Any]) -> dict[str, Any]:
    times = {
        "createdAt": "2026-11-26T12:00:00Z",
        "heartbeatAt": f"2026-11-26T12:00:{len(run['lines']) % 60:02d}Z",
    }
    user = {"name": "me", "username": "me"}
    rest = dict.fromkeys(("sweepName", "jobType", "commit", "description", "notes", "systemMetrics"))
    return (
        rest
        | times
        | {
            "projectId": "1",
            "id": run["id"],
            "tags": [],
            "name": run["name"],
            "displayName": run["displayName"],
            "state": run["state"],
            "group": run["group"],
            "readOnly": False,
            "historyLineCount": len(run["lines"]),
            "user": user,
            "config": json.dumps(run["config"]),
            "summaryMetrics": json.dumps(run["summary"]),
            "historyKeys": {"lastStep": run["lines"][-1]["_step"] if run["lines"] else -1, "keys": {}},
        }
    )


def _RunHistoryKeys(state: StandIn, asked: Any, query: str) -> Any:
    return {"project": {"run": _listed(state.runs[asked["name"]])}}


def _HistoryPage(state: StandIn, asked: Any, query: str) -> Any:
    lines = state.runs[asked["run"]]["lines"]
    among = [line for line in lines if asked["minStep"] <= line["_step"] < asked["maxStep"]]
    return {"project": {"run": {"history": [json.dumps(line) for line in among]}}}


def _RunParquetHistory(state: StandIn, asked: Any, query: str) -> Any:
    lines = state.runs[asked["runName"]]["lines"]
    return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": lines}}}}


def _RunOutputArtifacts(state: StandIn, asked: Any, query: str) -> Any:
    return _artifacts([a for a in state.artifacts.values() if a["run"] == asked["run"]])


def _RunInputArtifacts(state: StandIn, asked: Any, query: str) -> Any:
    return _artifacts([state.artifacts[key] for key in state.used.get(asked["run"], [])])


def _artifacts(found: list[dict[str, Any]]) -> Any:
    edges = [{"node": _artifact(artifact)} for artifact in found]
    pages = {"__typename": "PageInfo", "endCursor": "", "hasNextPage": False}
    return {"project": {"run": {"artifacts": {"totalCount": len(found), "pageInfo": pages, "edges": edges}}}}


def _FetchArtifactManifest(state: StandIn, asked: Any, query: str) -> Any:
    url = state.url + state.artifacts[asked["id"]]["manifest"]
    return {"artifact": {"currentManifest": {"file": {"directUrl": url}}}}
