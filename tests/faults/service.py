# SPDX-License-Identifier: BSD-2-Clause
"""ksmsd, from its start to its end, with a job between: nobody disturbs who submits it."""
import glob
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from bench import ALWAYS, Wrong, answers, children

JOB = "j"
PATIENCE = 45  # s: a start that does not come has 25, and a second worker its time
SHORT_PATIENCE = 12  # s for what fails always: it may wait for ever
ANSWER = 5  # s that a client waits
END = 30  # s from SIGTERM to the end
AFTER = 3  # s more for workers
CRASHED = ("terminate called", "Assertion", "AddressSanitizer", "runtime error", "*** stack smashing", "free():",
           "malloc():", "double free")
NOT_SAID = {os.strerror(each) for each in range(1, 134)}  # a reason that names nothing


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("ksms", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Service:
    """No crash; what was acknowledged is kept, and has an outcome that is so; nothing is left."""

    KINDS = ("fast", "detailed")

    def __init__(self, bench, kind):
        self.bench, self.kind = bench, kind
        self.directory = os.path.join(bench.directory, "service")
        self.config = os.path.join(bench.directory, "config.json")
        self.log = os.path.join(bench.directory, "log")
        self.state = os.path.join(self.directory, "state")
        self.socket = os.path.join(self.directory, "s")
        self.line = [f"{bench.programs}/ksmsd", "--foreground", "--config", self.config, "--pin-root", bench.pins]
        self.scan = ["-s", "10.77.1.1", "-d", "10.77.3.2", "-P", "T:22,23,80,443,U:53,123", "--source-netns",
                     f"{bench.prefix}client"]
        self.truth = {}
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump({"max_parallel_fast_jobs": 2,
                       "ksms": {"socket": self.socket, "state_directory": self.state}}, file)

    def prepare(self):
        if not self.truth:
            self.truth = answers(self.bench.ksmsctl("scan", "-j", *self.scan).stdout)
            if sorted(set(self.truth.values())) != ["NO", "YES"]:
                raise Wrong(f"the bench itself: {self.truth}")
        for pid in self.processes():  # of a run that was wrong
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.mkdir(self.directory, 0o700)

    def run(self, fault):
        """@return how ksmsd ended, as subprocess.run() says it"""
        self.fault = fault
        with open(self.log, "w", encoding="utf-8") as log:
            injector = subprocess.Popen(self.bench.injector(self.line, fault), stdout=log, stderr=log)
        try:
            self.use(injector, lambda: (children(injector.pid) or [None])[0], fault)
        except Wrong as wrong:
            raise Wrong(f"{wrong}\n  log: {self.said()}") from wrong
        finally:
            if injector.poll() is None:
                for ksmsd in children(injector.pid):
                    os.kill(ksmsd, signal.SIGKILL)
                injector.wait(END)
        return subprocess.CompletedProcess(self.line, injector.returncode, "", self.said())

    def use(self, process, ksmsd, fault):
        """A job, and the end."""
        single = fault is None or fault.times != ALWAYS
        self.acknowledged, self.answered, self.outcome, self.refusal = False, False, None, ""
        until = time.monotonic() + (PATIENCE if single else SHORT_PATIENCE)
        while process.poll() is None and time.monotonic() < until and not (self.outcome or {}).get("over"):
            self.step()
            time.sleep(0.02)
        self.ended_by_itself = process.poll() is not None
        if not self.ended_by_itself:
            if single and not self.acknowledged:
                raise Wrong(f"no job is taken: {self.refusal}")
            if single and not (self.outcome or {}).get("over"):
                raise Wrong(f"the job is {self.outcome}")
            self.ask_health(single)
            os.kill(ksmsd(), signal.SIGTERM)
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            raise Wrong(f"{END} s after SIGTERM there is {list(self.processes().values())}") from None

    def step(self):
        """Submits the job until it is taken, then asks for it."""
        try:
            self.ask()
        except subprocess.TimeoutExpired:
            self.refusal = f"no answer within {ANSWER} s"

    def ask(self):
        socket_of = ("--socket", self.socket)
        if not self.acknowledged:
            done = self.bench.ksmsctl("job", "submit", *socket_of, "--id", JOB, "--type", self.kind,
                                       *self.scan, timeout=ANSWER)
            self.refusal = done.stderr.strip()
            self.acknowledged = done.returncode == 0
            if done.returncode and not self.refusal:
                raise Wrong("`job submit` fails without a word")
            self.answered |= done.returncode == 0
            return
        done = self.bench.ksmsctl("job", "show", *socket_of, "-j", JOB, timeout=ANSWER)
        if done.returncode == 0:
            self.outcome = json.loads(done.stdout)
            self.outcome["over"] = self.outcome["state"] not in ("queued", "running")
        elif done.returncode == 5:
            raise Wrong(f"the job was taken, and is not there: {done.stderr.strip()}")
        else:
            self.outcome = {"state": f"not to be asked for: {done.stderr.strip()}", "over": False}

    def ask_health(self, must):
        """`/healthz`; its front may just be started anew."""
        for attempt in range(100):
            try:
                connection = Connection(self.socket)
                connection.request("GET", "/healthz")
                answer = connection.getresponse()
                document = json.loads(answer.read())
                connection.close()
                if (answer.status == 200) != (document["status"] in ("ok", "degraded")):
                    raise Wrong(f"/healthz: {answer.status}, {document}")
                return document
            except (OSError, http.client.HTTPException) as error:
                if not must:
                    return None
                if attempt == 99:
                    raise Wrong(f"/healthz is not answered: {error}") from error
                time.sleep(0.05)
            except ValueError as error:
                raise Wrong(f"/healthz: not JSON: {error}") from error

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read().strip()

    def check_outcome(self, outcome):
        if outcome["state"] == "done":
            if not outcome["result"]:
                raise Wrong("the job is done, and has no result")
            for service, answer in answers(json.dumps(outcome["result"])).items():
                if answer not in ("UNKNOWN", self.truth[service]):
                    raise Wrong(f"{service} is {self.truth[service]}, it says {answer}")
            given = outcome["result"]["services"]
            if len(given) != len(self.truth):
                raise Wrong(f"{len(self.truth)} services were asked for, there are {len(given)}")
            silent = [each for each in given if each["result"] == "UNKNOWN" and not each["reason"]]
            if silent:
                raise Wrong(f"an UNKNOWN without a reason: {silent[0]}")
            return
        message = (outcome["error"] or {}).get("message", "")
        if not message.strip() or message in NOT_SAID:
            raise Wrong(f"the job is {outcome['state']}, and the reason names nothing: {message!r}")

    def check(self, done):
        said = done.stderr
        if any(each in said for each in CRASHED):
            raise Wrong("something of it crashed")
        if done.returncode not in (0, 1, 6):
            raise Wrong(f"exit status {done.returncode}")
        if done.returncode and not any("error: " in line for line in said.splitlines()):
            raise Wrong(f"exit status {done.returncode} without a word")
        if done.returncode and self.answered:
            raise Wrong(f"it ran, and ended with exit status {done.returncode}")
        if self.ended_by_itself and done.returncode == 0:
            raise Wrong("it ended by itself, as if all were well")
        reasons = {line.split("error: ", 1)[1] for line in said.splitlines() if "error: " in line}
        if reasons & NOT_SAID:
            raise Wrong(f"a reason that names nothing: {(reasons & NOT_SAID).pop()}")
        if self.outcome and self.outcome.get("over"):
            self.check_outcome(self.outcome)
        self.check_gone()

    def check_gone(self):
        """No process of it, and no socket."""
        until = time.monotonic() + AFTER
        while left := self.processes():
            if time.monotonic() > until:
                raise Wrong(f"still there: {list(left.values())}")
            time.sleep(0.01)
        if os.path.exists(self.socket) and not self.cannot_remove():
            raise Wrong("its socket is left")

    def cannot_remove(self):
        fault = self.fault
        return fault is not None and ("unlink" in fault.call or fault.times == ALWAYS and "stat" in fault.call)

    def processes(self):
        """By their PIDs: ksmsd, its workers and their watchers, which have the name of the worker."""
        found = {}
        for path in glob.glob("/proc/[0-9]*"):
            try:
                with open(f"{path}/cmdline", "rb") as file:
                    words = file.read().decode(errors="replace").split("\0")
                with open(f"{path}/comm", encoding="utf-8", errors="replace") as file:
                    name = file.read().strip()
                with open(f"{path}/wchan", encoding="utf-8") as file:
                    name += f" in {file.read()}"
            except OSError:
                continue
            if words[0] == "ksmsd-worker" and self.bench.pins in words or words[:-1] == self.line:
                found[int(path[6:])] = f"{name}: {' '.join(words).strip()}"
        return found

    def check_again(self, fault):
        """Another ksmsd, undisturbed: what was taken is there, and as it was."""
        before, acknowledged = self.outcome, self.acknowledged
        with open(self.log, "w", encoding="utf-8") as log:
            process = subprocess.Popen(self.line, stdout=log, stderr=log)
        try:
            self.use_again(process, before, acknowledged, fault)
        except Wrong as wrong:
            raise Wrong(f"started again: {wrong}\n  log: {self.said()}") from wrong
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def use_again(self, process, before, acknowledged, fault):
        self.bench.wait(lambda: os.path.exists(self.socket) or process.poll() is not None)
        self.acknowledged = acknowledged
        self.outcome = None
        until = time.monotonic() + PATIENCE
        while not (self.outcome or {}).get("over"):
            if process.poll() is not None:
                raise Wrong(f"it ended with {process.returncode}")
            if time.monotonic() > until:
                raise Wrong(f"the job is {self.outcome}")
            self.step()
        self.check_outcome(self.outcome)
        single = fault is None or fault.times != ALWAYS
        if single and acknowledged:
            same = all(before[key] == self.outcome[key] for key in ("state", "result", "error", "finished_at"))
            if not same:
                raise Wrong(f"the job was {before['state']}, and is {self.outcome['state']} now")
        elif single and self.outcome["state"] != "done":
            raise Wrong(f"undisturbed the job is {self.outcome['state']}: {self.outcome['error']}")
        health = self.ask_health(True)
        # A page that the disk does not give is damaged, and so is one that cannot be read again.
        unread = fault is not None and fault.call == "pread64" and (fault.errno == "EIO" or fault.times == ALWAYS)
        bad = [each["name"] for each in health["checks"] if not each["ok"]]
        if bad and not (unread and bad == ["database-damage"]):
            raise Wrong(f"/healthz: {health}")
        process.send_signal(signal.SIGTERM)
        process.wait(END)
        if process.returncode:
            raise Wrong(f"exit status {process.returncode}")
