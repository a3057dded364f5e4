# SPDX-License-Identifier: BSD-2-Clause
"""What the scenarios have in common: a lab, the injector, and a look at what is left."""
import json
import os
import shutil
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LAB = os.path.join(HERE, "..", "..", "scripts", "lab")
OURS = "02:6b:73:6d"  # how the lladdr of a temporary neighbour begins
MAPS = ("journal", "taps", "tap_ids", "services", "service_numbers", "scan_routers", "counters", "drops")
ALWAYS = 0


class Wrong(Exception):
    pass


class Fault:
    def __init__(self, call, nth, errno, times):
        self.call, self.nth, self.errno, self.times = call, nth, errno, times

    def arguments(self):
        return ["--fail", self.call, "--nth", str(self.nth), "--errno", self.errno, "--times", str(self.times)]

    def __str__(self):
        return f"{self.call} number {self.nth}{'' if self.times else ' and on'}: {self.errno}"


def answers(text):
    """The verdicts of a scan's document, by service."""
    document = json.loads(text)
    return {f"{each['port']}/{each['protocol']}": each["result"] for each in document.get("services", [])}


class Bench:
    """A lab, a pin root and a directory of its own."""

    def __init__(self, programs):
        self.programs = programs
        self.prefix = f"flt{os.getpid()}-"
        self.pins = f"/sys/fs/bpf/flt{os.getpid()}"
        self.directory = tempfile.mkdtemp(prefix="ksms-faults-")
        self.report = os.path.join(self.directory, "report")
        self.up()

    def up(self):
        subprocess.run([LAB, "up", "--prefix", self.prefix, "--routers", "2"], check=True, stdout=subprocess.DEVNULL)

    def down(self):
        subprocess.run([LAB, "down", "--prefix", self.prefix], check=False, stdout=subprocess.DEVNULL)
        self.ksmsctl("gc")
        self.ksmsctl("uninstall", "--force")

    def close(self):
        self.down()
        shutil.rmtree(self.directory, ignore_errors=True)

    def line(self, *arguments):
        return [f"{self.programs}/ksmsctl", "--pin-root", self.pins, *arguments]

    def ksmsctl(self, *arguments, timeout=60):
        return subprocess.run(self.line(*arguments), capture_output=True, text=True, timeout=timeout, check=False)

    def scan_line(self, *more):
        return self.line("scan", "-j", "-s", "10.77.1.1", "--source-netns", f"{self.prefix}client", *more)

    def injector(self, line, fault=None):
        """What runs `line` with this fault."""
        if os.path.exists(self.report):
            os.unlink(self.report)
        return [f"{self.programs}/fault_injector", "--report", self.report, *(fault.arguments() if fault else []),
                "--", *line]

    def inject(self, line, fault=None):
        """@return what the command did"""
        return subprocess.run(self.injector(line, fault), capture_output=True, text=True, timeout=120, check=False)

    def reported(self):
        if not os.path.exists(self.report):
            return []
        with open(self.report, encoding="utf-8") as file:
            return [json.loads(each) for each in file]

    def inside(self, node, *line):
        # Not `ip -n`: it wants / to be a mount point, which it is not in a chroot.
        return subprocess.run(["nsenter", f"--net=/run/netns/{self.prefix}{node}", "--", *line], capture_output=True,
                              text=True, check=True).stdout

    def left(self):
        """What the tools of others say is there of ksms; "" for nothing."""
        found = []
        for node in ("client", "r1", "r2", "server"):
            found += [f"{node}: {line}" for line in self.inside(node, "tc", "qdisc", "show").splitlines()
                      if "clsact" in line]
            found += [f"{node}: {line}" for line in self.inside(node, "ip", "neigh").splitlines() if OURS in line]
        for name in MAPS:
            found += [f"{len(entries)} in {name}" for entries in [self.entries(name)] if entries]
        found += [f"dscp {lease['key']}" for lease in self.entries("leases") if lease["value"]["state"] & 255]
        return "; ".join(found)

    def entries(self, name):
        done = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", f"{self.pins}/{name}"], capture_output=True,
                              text=True, check=False)
        entries = json.loads(done.stdout) if done.returncode == 0 else []
        return [each.get("formatted", each) for each in entries if "formatted" in each or "value" in each]

    def wait(self, condition):
        until = time.monotonic() + 20
        while not condition():
            if time.monotonic() > until:
                raise Wrong("the bench itself: it does not come to pass")
            time.sleep(0.005)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(each) for each in file.read().split()]


def check_end(done, fault):
    if done.returncode not in (0, 1, 6):
        raise Wrong(f"exit status {done.returncode}")
    mute = fault is not None and fault.call == "write" and fault.times == ALWAYS
    if done.returncode and not done.stdout.strip() and not done.stderr.strip() and not mute:
        raise Wrong(f"exit status {done.returncode} without a word")
