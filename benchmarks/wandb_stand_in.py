"""A loopback stand-in for W&B's server: it answers what the real `wandb sync` asks, and keeps what it hears.

It knows the requests of wandb 0.31 and refuses others, so that a new version's are noticed. As the real
server does, it takes a file stream's lines by their offset: what is sent twice is there once.
"""

import contextlib
import gzip
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

KEY = "a" * 40


@dataclass
class ReceivedRun:
    """One run as the server knows it."""

    name: str = ""
    group: str = ""
    job_type: str = ""
    project: str = ""
    entity: str = ""
    tags: list = field(default_factory=list)
    config: dict = field(default_factory=dict)
    history: dict = field(default_factory=dict)  # line → row
    summary: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)  # name → content
    num_streams_begun: int = 0  # uploads of it
    is_complete: bool = False


class StandIn:
    """The server, while the block lasts."""

    def __init__(self, delay_s=0.0):
        self.runs: dict[str, ReceivedRun] = {}
        self.artifacts: dict[str, dict] = {}
        self.projects: set[str] = set()
        self.views: list[dict] = []  # workspaces and reports
        self.requests = Counter()
        self.unknown: list[str] = []
        self.refused_keys = False
        self.refused_runs: dict[str, str] = {}  # id ("*": all) → message of the refusal
        self.broken_streams: set[str] = set()  # ids of runs whose data are refused
        self.delay_s = delay_s
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"server_state": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self):
        """What points W&B at it."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false"}

    def graphql(self, query, variables):
        """Answer a query; None if it isn't known."""
        if "UpsertBucket" in query:
            return self._upsert(variables)
        if "createRunFiles" in query:
            files = [
                {"name": name, "uploadUrl": f"{self.url}/storage/{variables['run']}/{name}"}
                for name in variables["files"]
            ]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        if "createArtifact(" in query:
            name = variables["input"]["artifactCollectionName"]
            self.artifacts[name] = variables["input"]
            artifact = {"id": name, "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
            return {"createArtifact": {"artifact": artifact}}
        if "createArtifactManifest(" in query:
            file = {"id": "f", "uploadUrl": f"{self.url}/storage/artifacts/manifest", "uploadHeaders": []}
            return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": file}}}
        if "createArtifactFiles(" in query:
            nodes = [
                {
                    "node": {
                        "storagePath": None,
                        "uploadUrl": f"{self.url}/storage/artifacts/{one['name']}",
                        "uploadHeaders": [],
                        "uploadMultipartUrls": None,
                        "artifact": {"id": one["artifactID"]},
                    }
                }
                for one in variables["input"]["artifactFiles"]
            ]
            return {"createArtifactFiles": {"files": {"edges": nodes}}}
        if "commitArtifact(" in query:
            return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": "d"}}}
        if "upsertView(" in query:
            view = {"id": f"view-{len(self.views)}", "name": variables["name"]}
            self.views.append(variables | {"spec": json.loads(variables["spec"])})
            return {"upsertView": {"view": view, "inserted": True}}
        if "query GetProjects" in query:
            return {
                "models": {"pageInfo": _LAST_PAGE, "edges": [{"node": _project(p)} for p in self.projects]}
            }
        if "internalId" in query:
            known = variables["projectName"] in self.projects
            return {"project": {"internalId": "UHJvamVjdA=="} if known else None}
        if "viewer" in query:
            return {
                "viewer": {
                    "id": "u",
                    "entity": "tester",
                    "username": "tester",
                    "email": "t@t",
                    "flags": "{}",
                    "teams": {"edges": []},
                }
            }
        if "serverInfo" in query:
            return {"serverInfo": {"features": [], "cliVersionInfo": {}, "latestLocalVersionInfo": None}}
        return None

    def _upsert(self, variables):
        with self.lock:
            run = self.runs.setdefault(variables["name"], ReceivedRun())
        run.name = variables.get("displayName") or run.name
        run.group = variables.get("groupName") or run.group
        run.job_type = variables.get("jobType") or run.job_type
        run.project = variables.get("project") or "uncategorized"
        self.projects.add(run.project)
        run.entity = variables.get("entity") or "tester"
        run.tags = variables.get("tags") or run.tags
        if variables.get("config"):
            sent = json.loads(variables["config"])
            run.config = {key: entry["value"] for key, entry in sent.items() if key != "_wandb"}
        bucket = {
            "id": "b",
            "name": variables["name"],
            "displayName": run.name,
            "description": "",
            "config": "{}",
            "sweepName": None,
            "historyLineCount": 0,
            "project": {"id": "p", "name": run.project, "entity": {"id": "e", "name": run.entity}},
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def stream(self, run_id, sent):
        """Take in a piece of a run's file stream."""
        run = self.runs[run_id]
        for name, chunk in sent.get("files", {}).items():
            if name == "wandb-history.jsonl":
                run.num_streams_begun += chunk["offset"] == 0
                for number, line in enumerate(chunk["content"], chunk["offset"]):
                    run.history[number] = json.loads(line)
            elif name == "wandb-summary.json":
                run.summary = json.loads(chunk["content"][-1])
        run.is_complete = run.is_complete or bool(sent.get("complete"))


_LAST_PAGE = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}


def _project(name):
    return {
        "__typename": "Project",
        "id": name,
        "name": name,
        "entityName": "tester",
        "createdAt": "2026-01-01T00:00:00Z",
        "isBenchmark": False,
        "user": None,
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: StandIn

    def log_message(self, *_):
        pass

    def handle(self):
        with contextlib.suppress(ConnectionError):  # a client that was killed
            super().handle()

    def do_GET(self):
        self._answer({})

    def do_POST(self):
        state = self.server_state
        body = self._body()
        time.sleep(state.delay_s)
        if "/otel/" in self.path:
            return self._answer({})
        if state.refused_keys:
            return self._answer({"errors": [{"message": "invalid API key"}]}, 401)
        sent = json.loads(body)
        if self.path == "/graphql":
            state.requests[sent.get("operationName")] += 1
            variables = sent.get("variables") or {}
            if "UpsertBucket" in sent["query"]:
                refusal = state.refused_runs.get(variables["name"]) or state.refused_runs.get("*")
                if refusal:
                    return self._answer({"errors": [{"message": refusal}]}, 403)
            answer = state.graphql(sent["query"], variables)
            if answer is None:
                state.unknown.append(sent["query"])
                return self._answer({"errors": [{"message": "unknown query"}]}, 400)
            return self._answer({"data": answer})
        if self.path.endswith("/file_stream"):
            run_id = self.path.split("/")[-2]
            if run_id in state.broken_streams:
                return self._answer({"error": "no"}, 403)
            state.stream(run_id, sent)
            return self._answer({"exitcode": None, "limits": {}})
        state.unknown.append(self.path)
        return self._answer({"error": "unknown"}, 400)

    def do_PUT(self):
        _, _, owner, name = self.path.split("/", 3)
        content = self._body()
        run = self.server_state.runs.get(owner)
        if run is not None:
            run.files[name] = content
            if name == "wandb-summary.json":
                run.summary = json.loads(content)
            elif name == "config.yaml":
                sent = yaml.safe_load(content)
                run.config = {key: entry["value"] for key, entry in sent.items() if key != "_wandb"}
        self._answer({})

    def _body(self):
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

    def _answer(self, content, status=200):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
