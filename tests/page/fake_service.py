# SPDX-License-Identifier: BSD-2-Clause
"""ksmsd as the page sees it: the answers of its API, made up, and a door for what a test changes."""
import base64
import hashlib
import http
import http.server
import json
import re
import threading
import time
import urllib.parse

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
RTL = "\u202eevil \u0627\u0644\u0645\u0633\u062a\u062e\u062f\u0645"  # an override, and Arabic
LONG = "a-very-long-name-of-a-job-that-somebody-chose-all-the-same-0001"
ROUTERS = ["hq-gw", "br-gw", "br-core"]
SERVICES = 65535


def job(name, state, **more):
    now = time.time()
    base = {"id": name, "type": "fast", "user": "anna", "state": state, "submitted_at": now - 60,
            "started_at": None, "finished_at": None, "dscp": None,
            "request": {"type": "fast", "source": "10.1.1.100", "destination": "10.2.5.100",
                        "services": "22/tcp,25/tcp,8000-8099/tcp,514/udp"},
            "error": None}
    if state != "queued":
        base["started_at"] = now - 58.5
    if state not in ("queued", "running"):
        base["finished_at"] = now - 58.1
    return {**base, **more}


def verdict(port, protocol="tcp", stop=None, why=None, result=None):
    """What an event says of one service; `stop` is the router that stops it."""
    answers, behind = [], False
    for name in ROUTERS:
        answers.append({"name": name,
                        "result": "UNKNOWN" if behind else "NO" if name == stop else result or "YES"})
        behind |= name == stop
    return {"port": port, "protocol": protocol, "result": "NO" if stop else result or "YES",
            "stopped_at": stop, "why": why, "routers": answers}


def standard():
    found = [verdict(22), verdict(25, stop="br-gw", why="br-gw: firewall, FORWARD (NETFILTER_DROP)")]
    found += [verdict(port) for port in range(8000, 8100)]
    found += [verdict(514, "udp", result="UNKNOWN", why="lost: sent 4 times, hq-gw saw none"),
              verdict(3306, why="br-core: translated to 10.2.5.9:8080")]
    found[-1]["routers"].pop(1)  # not on its path
    return found


def document(verdicts, **more):
    """The ksms.scan/1 document of these verdicts, with what a real one has beside them."""
    services, routers = [], {name: [] for name in ROUTERS}
    for each in verdicts:
        key = {"port": each["port"], "protocol": each["protocol"]}
        services.append({**key, "result": each["result"], "stopped_at": each["stopped_at"], "reason": None,
                         "place": None, "hook": None, "answer": None, "why": each["why"], "notes": [], "sent": 1})
        behind = False
        for at in each["routers"]:
            routers[at["name"]].append(
                {**key, "result": at["result"], "ingress": {"packets": 1, "bytes": 54},
                 "egress": {"packets": 1, "bytes": 54},
                 "reason": "stopped_before:" + each["stopped_at"] if behind else None, "notes": []})
            behind |= at["name"] == each["stopped_at"]
    count = {kind: sum(s["result"] == kind for s in services) for kind in ("YES", "NO", "UNKNOWN")}
    return {"schema": "ksms.scan/1", "state": "done", "source": "10.1.1.100", "destination": "10.2.5.100",
            "mode": "path", "job": "j", "dscp": 33, "entries": ["ts-hq"], "services": services,
            "routers": [{"name": name, "iface": "eth0", "ingress_iface": "eth1", "entry": "ts-hq", "hop": hop,
                         "services": routers[name]} for hop, name in enumerate(ROUTERS, 1)],
            "destination_reached": [{"port": s["port"], "protocol": s["protocol"], "reached": None} for s in services],
            "summary": {"services": len(services), "routers": 3, "yes": count["YES"], "no": count["NO"],
                        "unknown": count["UNKNOWN"]},
            "timing_ms": {"plan": 1, "attach": 2, "probe": 3, "settle": 4, "total": 21}, "warnings": [], "failure": None,
            **more}


def explanation():
    rule = {"firewall": "iptables-legacy", "family": "", "table": "filter", "chain": "mail", "policy": False,
            "number": 2, "handle": None, "verdict": "DROP", "text": "-A mail -p tcp -m tcp --dport 25 -j DROP"}

    def hop(name, at, result, reason=None, rule=None):
        return {"name": name, "entry": "ts-hq", "hop": at, "result": result, "reason": reason, "rule": rule, "hooks": []}
    return {"schema": "ksms.explain/1", "state": "done", "source": "10.1.1.100", "destination": "10.2.5.100",
            "services": [{"port": 25, "protocol": "tcp", "result": "NO", "stopped_at": "br-gw", "reason": "NETFILTER_DROP",
                          "why": "br-gw: firewall, FORWARD (NETFILTER_DROP)", "notes": [],
                          "hops": [hop("hq-gw", 1, "YES"), hop("br-gw", 2, "NO", "NETFILTER_DROP", rule),
                                   hop("br-core", 3, "UNKNOWN", "stopped_before:br-gw")]}],
            "summary": {"services": 1, "yes": 0, "no": 1, "unknown": 0}, "timing_ms": {"total": 301},
            "warnings": [], "failure": None}


def big():
    """As much as a scan can have, no two neighbours alike, as text: what a browser takes long for should be the page."""
    ports = range(1, SERVICES + 1)

    def at(name):
        return ",".join(
            f'{{"port":{port},"protocol":"tcp","result":"{"NO" if ROUTERS[port % 2] == name else "YES"}",'
            '"ingress":{"packets":1,"bytes":54},"egress":{"packets":0,"bytes":0},"reason":null,"place":null,"notes":[]}'
            for port in ports)
    services = ",".join(
        f'{{"port":{port},"protocol":"tcp","result":"NO","stopped_at":"{ROUTERS[port % 2]}","reason":"NETFILTER_DROP",'
        f'"why":"{ROUTERS[port % 2]}: firewall, FORWARD, rule {port % 500}","notes":[],"sent":1}}' for port in ports)
    whole = json.dumps({**job("big-1", "done"), "result": document([])})
    for name in ROUTERS:
        whole = whole.replace(f'"{name}", "iface"', f'"{name}", "services": [{at(name)}], "iface"')
    return whole.replace('"services": [], "routers"', f'"services": [{services}], "routers"').replace(
        ', "services": []}', "}").encode()


class Service:
    """One port: HTTP on 127.0.0.1. What `self` holds may be changed while it runs."""

    def __init__(self, page, callers_known=True):
        self.page = page
        self.callers_known = callers_known
        self.silent = False            # close every connection without a word
        self.busy = False              # refuse everything
        self.degraded = None
        self.asked = []                # every path that was asked for
        self.jobs = [
            job("running-1", "running", dscp=33),
            job("waits-1", "queued", user="bert"),
            job("done-1", "done", dscp=34), job("detailed-1", "done", type="detailed", dscp=35),
            job("failed-1", "failed", error={"code": "not_found", "message": "nobody owns 10.9.9.9",
                                             "hint": "ip address"}),
            job("hostile-1", "done", user=RTL), job(HOSTILE, "cancelled", user=HOSTILE),
            job(LONG, "interrupted", user="somebody-with-a-long-name"), job("big-1", "done")]
        self.jobs[5]["request"]["source"] = HOSTILE
        self.results = {
            "done-1": document(standard(), warnings=["conntrack of br-gw is three quarters full"]),
            "detailed-1": explanation(),
            "hostile-1": document([verdict(80, why=HOSTILE), verdict(81, "udp", stop="hq-gw", why=RTL)],
                                  source=HOSTILE, warnings=[HOSTILE]),
        }
        now = time.time()
        self.leases = [
            {"dscp": dscp, "job_id": name, "username": user, "pid": pid, "allocated_at": now - held,
             "expires_at": now + 3000 if pid else None, "status": "active"}
            for dscp, name, user, pid, held in (
                (32, "nightly", "root", 812, 75300), (33, "running-1", "anna", 4711, 3), (34, HOSTILE, RTL, None, 600),
                (40, LONG, "somebody-with-a-long-name", 4194303, 250))]
        self.big = b""                 # the answer for big-1
        self.events = []               # (name, data) of running-1
        self.changed = threading.Condition()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # pylint: disable=invalid-name
                service.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a browser that hangs up is none
        self.url = "http://127.0.0.1:%d/" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def tell(self, name, data):
        with self.changed:
            self.events.append((name, data))
            self.changed.notify_all()

    def policy(self):
        """The strictest that the page must live with: hashes, nothing from elsewhere."""
        def sources(tag):
            text = re.search(f"<{tag}>(.*?)</{tag}>", self.page, re.S).group(1)
            return "'sha256-%s'" % base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return ("default-src 'none'; style-src %s; script-src %s; connect-src 'self'; base-uri 'none'; "
                "form-action 'none'; frame-ancestors 'none'" % (sources("style"), sources("script")))

    def answer(self, call):
        path = urllib.parse.urlsplit(call.path).path
        self.asked.append(call.path)
        if self.silent:
            call.close_connection = True
            return
        if self.busy:
            return send_problem(call, 503, "too many connections")
        if path == "/":
            send(call, 200, self.page.encode(), "text/html; charset=utf-8",
                 {"Content-Security-Policy": self.policy(), "X-Content-Type-Options": "nosniff"})
        elif path == "/v1/status":
            states = [each["state"] for each in self.jobs]
            send_json(call, {"version": "0.1.0", "state": "running",
                             "mode": {"parallel": 2 if self.degraded else 8, "why": self.degraded},
                             "jobs": {"queued": states.count("queued"), "running": states.count("running")},
                             "leases": {"used": len(self.leases), "free": 32 - len(self.leases), "total": 32},
                             "uptime_s": 273605.2})
        elif not self.callers_known:
            send_problem(call, 403, "who calls on this port is not known")
        elif path == "/v1/registry":
            send_json(call, {"schema": "ksms.registry/1", "leases": self.leases})
        elif path == "/v1/jobs":
            send_json(call, {"jobs": self.jobs, "more": False})
        elif path.startswith("/v1/jobs/"):
            name, _, events = path[len("/v1/jobs/"):].partition("/")
            self.one(call, urllib.parse.unquote(name), events)
        else:
            send_problem(call, 404, "no such place")

    def one(self, call, name, events):
        found = next((each for each in self.jobs if each["id"] == name), None)
        if found is None:
            send_problem(call, 404, "there is no job " + name)
        elif events:
            self.stream(call)
        elif name == "big-1":
            send(call, 200, self.big, "application/json")
        else:
            send_json(call, {**found, "result": self.results.get(name)})

    def stream(self, call):
        call.send_response(200)
        call.send_header("Content-Type", "text/event-stream")
        call.end_headers()
        call.close_connection = True
        at = 0
        try:
            while not self.silent:
                with self.changed:
                    self.changed.wait_for(lambda seen=at: len(self.events) > seen or self.silent, 1)
                    fresh, at = self.events[at:], len(self.events)
                call.wfile.write("".join(f"event: {name}\ndata: {json.dumps(data)}\n\n"
                                         for name, data in fresh).encode() or b": still here\n\n")
                if any(name == "end" for name, _ in fresh):
                    return
        except OSError:
            pass


def send(call, status, content, kind, headers=None):
    call.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
        call.send_header(name, value)
    call.end_headers()
    call.wfile.write(content)


def send_json(call, value, status=200):
    send(call, status, json.dumps(value).encode(), "application/json")


def send_problem(call, status, detail):
    """As ksmsd does it: RFC 9457."""
    problem = {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status, "detail": detail,
               "hint": "look elsewhere"}
    send(call, status, json.dumps(problem).encode(), "application/problem+json")
