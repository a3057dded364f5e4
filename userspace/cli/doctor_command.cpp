// SPDX-License-Identifier: BSD-2-Clause
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/group.hpp"
#include "bpf/attach.hpp"
#include "bpf/keeper.hpp"
#include "bpf/mend.hpp"
#include "cli/command.hpp"
#include "os/process.hpp"
#include "os/tool.hpp"
#include "output/health.hpp"

namespace ksms {
namespace {

HealthCheck check(const char* group, std::string name, bool ok, Health otherwise,
                  std::string detail, std::string remedy) {
    return {group, std::move(name), ok ? Health::ok : otherwise, std::move(detail),
            std::move(remedy)};
}

/// Some features are tested by loading a program. Without these capabilities a refusal says nothing
/// about the kernel.
bool may_load_programs() {
    return has_capability(CAP_SYS_ADMIN) ||
           (has_capability(CAP_BPF) && has_capability(CAP_NET_ADMIN));
}

void kernel_checks(const KernelFeatures& kernel, std::vector<HealthCheck>& checks) {
    const auto add = [&checks](const char* name, bool ok, Health otherwise, const char* detail,
                               const char* remedy) {
        checks.push_back(check("kernel", name, ok, otherwise, detail, remedy));
    };
    const auto missing = Health::missing, limited = Health::limited;
    checks.push_back(check("kernel", "release", true, missing, kernel.release, ""));
    add("BTF", kernel.btf, missing, "types of the running kernel, /sys/kernel/btf/vmlinux",
        "a kernel with CONFIG_DEBUG_INFO_BTF=y");
    if (kernel.cls_bpf || may_load_programs()) {
        add("clsact and cls_bpf", kernel.cls_bpf, missing, "taps of a scan",
            "modprobe cls_bpf sch_ingress, or a kernel with CONFIG_NET_CLS_BPF");
        add("tcx links", kernel.tcx, limited, "taps that stay (tap attach)", "Linux 6.6 or later");
    } else {
        for (const char* name : {"clsact and cls_bpf", "tcx links"})
            add(name, false, Health::unknown, "cannot tell without CAP_BPF and CAP_NET_ADMIN",
                "run it as root (sudo)");
    }
    add("bpf_cast_to_kern_ctx", kernel.kern_ctx, limited, "a tap that reads its namespace",
        "Linux 6.2 or later");
    add("xdp links", kernel.xdp_link, limited, "--tap xdp", "Linux 5.9 or later");
    add("netfilter links", kernel.netfilter_link, limited, "--tap netfilter",
        "Linux 6.4 or later with CONFIG_NETFILTER_BPF_LINK");
    add("drop reasons", kernel.drop_reasons, limited, "why a packet was dropped",
        "Linux 5.17 or later; without them a NO has no reason and waits for --timeout");
    add("cookies of tracing links", kernel.attach_cookie, limited,
        "drops of one scan told apart in the kernel", "Linux 6.10 or later; slower without");
    add("user ring buffers", kernel.user_ring_buffer, missing, "waking who waits for a DSCP",
        "Linux 6.1 or later");
}

void capability_checks(std::vector<HealthCheck>& checks) {
    struct Needed {
        int number;
        const char *name, *use;
    };
    static constexpr Needed needed[] = {
        {CAP_NET_ADMIN, "CAP_NET_ADMIN", "attach taps, resolve neighbours"},
        {CAP_NET_RAW, "CAP_NET_RAW", "send probes"},
        {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "enter namespaces"},
        {CAP_BPF, "CAP_BPF", "load programs, open maps"},
        {CAP_PERFMON, "CAP_PERFMON", "hear of drops"},
    };
    for (const auto& [number, name, use] : needed)
        checks.push_back(check("capabilities", name, has_capability(number), Health::missing, use,
                               "run it as root (sudo)"));
}

bool is_filesystem(const char* path, long magic) {
    struct statfs status{};
    return ::statfs(path, &status) == 0 && status.f_type == magic;
}

void mount_checks(const KernelFeatures& kernel, const PinRoot& root,
                  std::vector<HealthCheck>& checks) {
    // A scan mounts the BPF file system itself if it is allowed to.
    const bool may_mount = has_capability(CAP_SYS_ADMIN);
    checks.push_back(check("mounts", "/sys/fs/bpf", kernel.bpf_fs,
                           may_mount ? Health::limited : Health::missing, "the BPF file system",
                           may_mount ? "the next scan mounts it" : "mount -t bpf bpf /sys/fs/bpf"));
    const auto objects = Objects::open(root, Objects::Missing::fail);
    const bool absent = !objects && objects.error().code == Code::not_found;
    const bool refused = !objects && objects.error().code == Code::not_allowed;
    checks.push_back(check("mounts", root.path, objects || absent, Health::missing,
                           objects  ? "programs and maps are installed"
                           : absent ? "nothing is installed yet, the first scan does it"
                                    : objects.error().text(),
                           objects   ? ""
                           : refused ? "run it as root (sudo)"
                                     : objects.error().hint));
    checks.push_back(check("mounts", "/proc", is_filesystem("/proc", PROC_SUPER_MAGIC),
                           Health::missing, "finding processes and their namespaces",
                           "mount -t proc proc /proc"));
    struct stat status{};
    checks.push_back(check("mounts", "/run/netns", ::stat("/run/netns", &status) == 0,
                           Health::limited, "namespaces of ip netns",
                           "ip netns add NAME makes it; pid:N and paths work without"));
}

/// The first directory in the path of the pins that the group cannot enter; "": none.
std::string closed_to(gid_t group, const std::string& path) {
    for (auto slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        const auto directory = path.substr(0, slash);
        struct stat status{};
        if (::stat(directory.c_str(), &status) != 0) continue;
        const auto bit = status.st_gid == group ? S_IXGRP : S_IXOTH;
        if ((status.st_mode & bit) == 0) return directory;
    }
    return {};
}

void registry_checks(const PinRoot& root, std::vector<HealthCheck>& checks) {
    const auto group = find_group(kGroup);
    if (!group || !*group) {
        checks.push_back(check("registry", "group ksms", false, Health::limited,
                               "there is none: root alone uses the registry",
                               "groupadd ksms, then `ksmsctl registry list` as root"));
    } else {
        const auto closed = closed_to(**group, root.path);
        checks.push_back(check("registry", "group ksms", closed.empty(), Health::limited,
                               closed.empty() ? "its members use the registry without root"
                                              : "its members cannot pass " + closed,
                               "chmod o+x " + closed));
    }
    const auto keeper = keeper_path(root);
    checks.push_back(check("registry", "cgroup v2", !keeper.empty(), Health::limited,
                           keeper.empty() ? "leases do not outlive the removal of all pins"
                                          : "keeps the leases where all pins are removed",
                           "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"));
    const auto missing = mend_pins(root, false);
    const bool whole = missing && missing->empty();
    checks.push_back(check("registry", "pins", whole, Health::limited,
                           whole     ? "none is missing"
                           : missing ? missing->front().name + " is missing"
                                     : missing.error().text(),
                           "ksmsctl registry check --repair"));
}

void tool_checks(std::vector<HealthCheck>& checks) {
    struct Tool {
        const char *name, *use, *package;
    };
    static constexpr Tool tools[] = {
        {"bpftool", "to read maps by hand; ksms does not need it", "bpftool"},
        {"ip", "to name namespaces (ip netns); ksms does not need it", "iproute2"},
        {"tc", "to list filters by hand; ksms does not need it", "iproute2"},
    };
    for (const auto& [name, use, package] : tools) {
        const auto found = find_tool(name);
        checks.push_back(check("tools", name, !found.empty(), Health::limited,
                               found.empty() ? use : found,
                               std::string("apt-get install ") + package));
    }
}

Result<int> doctor(Context& context, const Arguments&) {
    HealthReport report;
    const auto kernel = probe_kernel();
    kernel_checks(kernel, report.checks);
    capability_checks(report.checks);
    mount_checks(kernel, context.root, report.checks);
    registry_checks(context.root, report.checks);
    tool_checks(report.checks);
    auto& console = context.console;
    if (console.json())
        write_health_json(report, console.pretty(), console.sink());
    else
        console.write(health_text(report, console.color(), console.width()));
    return report.can_scan() ? 0 : static_cast<int>(Code::failed);
}

}  // namespace

std::span<const Command> doctor_commands() {
    static const Command commands[] = {
        {"doctor", "", "Check kernel, capabilities, mounts and tools", {}, 0, 0, false, doctor}};
    return commands;
}

}  // namespace ksms
