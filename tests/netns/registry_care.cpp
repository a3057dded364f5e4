// SPDX-License-Identifier: BSD-2-Clause
// Everyday use of the registry: backups, exec, limits, permissions, scans that lose their lease.
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "lab/ksmsctl.hpp"
#include "registry_bench.hpp"

using namespace ksms;
using namespace ksms::lab;

namespace {

/// src - r1 - dst, on links 1 and 2; r1 forwards everything.
void build_one_router(Lab& lab) {
    lab.host("src");
    lab.router("r1");
    lab.host("dst");
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.link({"r1", "eth1", 1}, {"dst", "eth0", 2}, 2);
    lab.default_route("src", 1, 2);
    lab.default_route("dst", 2, 1);
}

/// A machine with the group and a BPF file system of this mode, in a private mount
/// namespace.
/// @param script  for bash; `as UID GID ARGUMENTS` runs ksmsctl
Outcome on_machine(const Lab& lab, const std::string& mode, const std::string& script) {
    const auto directory = lab.directory() + "/machine";
    std::filesystem::create_directory(directory);
    std::filesystem::copy_file(KSMSCTL, directory + "/ksmsctl");
    std::ofstream(directory + "/group") << "root:x:0:\nksms:x:4242:\n";
    std::ofstream(directory + "/script") << R"(
set -u
cd "$1"
mount --bind group /etc/group
mkdir -p bpf && mount -t bpf -o mode=$3 bpf bpf
export KSMS_PIN_ROOT=$1/bpf/$2
as() { setpriv --reuid "$1" --regid "$2" --clear-groups ./ksmsctl "${@:3}" 2>&1; echo "exit $?"; }
)" << script;
    std::filesystem::permissions(directory, std::filesystem::perms::all);
    std::filesystem::permissions(lab.directory(), std::filesystem::perms::owner_all |
                                                      std::filesystem::perms::others_exec |
                                                      std::filesystem::perms::group_exec);
    return run({.arguments = {"unshare", "--mount", "--propagation", mount_propagation(), "bash",
                              directory + "/script", directory,
                              std::filesystem::path(lab.pin_root()).filename(), mode}});
}

void expect_in_order(const Outcome& outcome, const std::vector<std::string>& expected) {
    std::size_t at = 0;
    for (const auto& each : expected) {
        const auto found = outcome.out.find(each, at);
        INFO(outcome.out << outcome.err);
        CAPTURE(each);
        REQUIRE(found != std::string::npos);
        at = found + each.size();
    }
}

}  // namespace

TEST_CASE("registry backup and restore: live leases are restored, dead ones named") {
    const Lab lab;
    const auto file = lab.directory() + "/backup.json";
    const auto pid = std::to_string(getpid());
    must(ksmsctl(lab, {"registry", "allocate", "--job", "alive", "--pid", pid, "--dscp", "40"}));
    must(ksmsctl(lab, {"registry", "allocate", "--job", "timed", "--no-owner", "--ttl", "600"}));
    {
        Owner owner([&] {
            must(ksmsctl(
                lab, {"registry", "allocate", "--job", "dead", "--pid", std::to_string(getpid())}));
        });
        must(ksmsctl(lab, {"registry", "backup", file}));
    }
    for (const char* job : {"alive", "timed"})
        must(ksmsctl(lab, {"registry", "release", "--job", job}));
    const auto truncated = lab.directory() + "/truncated.json";
    std::filesystem::copy_file(file, truncated);
    std::filesystem::resize_file(truncated, 100);
    CHECK(ksmsctl_run(lab, {"registry", "restore", truncated}).exit == 2);
    CHECK(ksmsctl_run(lab, {"registry", "list"}).out == "no leases\n");

    const auto restored = ksmsctl_run(lab, {"registry", "restore", file});
    INFO(restored.out << restored.err);
    CHECK(restored.exit == 0);
    CHECK(restored.out == "2 leases restored, 1 left out\n");
    CHECK(restored.err.find("job dead") != std::string::npos);
    const auto alive = nlohmann::json::parse(
        must(ksmsctl(lab, {"registry", "show", "--job", "alive", "-j"})))["leases"][0];
    CHECK(alive["dscp"] == 40);
    CHECK(alive["pid"] == getpid());
    CHECK(ksmsctl_run(lab, {"registry", "check"}).exit == 0);
    // A conflict with another lease: nothing at all is restored.
    must(ksmsctl(lab, {"registry", "release", "--job", "alive"}));
    must(ksmsctl(lab, {"registry", "release", "--job", "timed"}));
    must(ksmsctl(lab, {"registry", "allocate", "--job", "other", "--pid", pid, "--dscp", "40"}));
    CHECK(ksmsctl_run(lab, {"registry", "restore", file}).exit == 4);
    CHECK(ksmsctl_run(lab, {"registry", "show", "--job", "timed"}).exit == 5);
}

TEST_CASE("failure 22: a truncated backup loses nothing") {
    const Lab lab;
    const auto pid = std::to_string(getpid());
    must(ksmsctl(lab, {"registry", "allocate", "--job", "held", "--pid", pid}));
    const auto file = lab.directory() + "/b.json";
    must(ksmsctl(lab, {"registry", "backup", file}));
    std::filesystem::resize_file(file, 20);
    CHECK(ksmsctl_run(lab, {"registry", "restore", file}).exit == 2);
    CHECK(ksmsctl_run(lab, {"registry", "show", "--job", "held"}).exit == 0);
    CHECK(ksmsctl_run(lab, {"registry", "allocate", "--job", "next", "--pid", pid}).out == "33\n");
}

TEST_CASE("registry exec: the command holds the DSCP and releases it at exit") {
    const Lab lab;
    const auto done = ksmsctl_run(lab, {"registry", "exec", "--job", "j1", "--", "sh", "-c",
                                        "echo $KSMS_JOB_DSCP $0; exit 7"});
    CHECK(done.exit == 7);
    CHECK(done.out == "32 sh\n");
    CHECK(ksmsctl_run(lab, {"registry", "list"}).out == "no leases\n");
    const auto missing =
        ksmsctl_run(lab, {"registry", "exec", "--job", "j1", "--", "/nonexistent"});
    CHECK(missing.exit == 1);
    CHECK(ksmsctl_run(lab, {"registry", "list"}).out == "no leases\n");
    CHECK(ksmsctl_run(lab, {"registry", "exec", "--job", "j1"}).exit == 2);
}

TEST_CASE("registry: a job that holds a DSCP does not get a second one") {
    const Lab lab;
    const auto pid = std::to_string(getpid());
    must(ksmsctl(lab, {"registry", "allocate", "--job", "j", "--pid", pid, "--dscp", "50"}));
    const auto other =
        ksmsctl_run(lab, {"registry", "allocate", "--job", "j", "--pid", pid, "--dscp", "51"});
    CHECK(other.exit == 4);
    CHECK(other.err.find("holds DSCP 50 already, not 51") != std::string::npos);
}

TEST_CASE("registry allocate: a DSCP whose output fails is released, unless held before") {
    const Lab lab;
    const std::vector<std::string> line{"registry",   "allocate", "--job", "j",
                                        "--no-owner", "--ttl",    "600"};
    auto untold = line;
    untold.insert(untold.end(), {"-o", "/dev/full"});
    const auto first = ksmsctl_run(lab, untold);
    CHECK(first.exit == 1);
    CHECK(first.err.find("write /dev/full: No space left on device") != std::string::npos);
    CHECK(ksmsctl_run(lab, {"registry", "list"}).out == "no leases\n");
    CHECK(ksmsctl_run(lab, line).out == "32\n");
    CHECK(ksmsctl_run(lab, untold).exit == 1);
    CHECK(ksmsctl_run(lab, {"registry", "show", "--job", "j"}).exit == 0);
    // A file that was written is renamed into place once.
    const auto file = lab.directory() + "/dscp";
    auto told = line;
    told.insert(told.end(), {"-o", file});
    CHECK(ksmsctl_run(lab, told).exit == 0);
    std::string dscp;
    CHECK(std::getline(std::ifstream(file), dscp));
    CHECK(dscp == "32");
}

TEST_CASE("registry status: a warning at the threshold") {
    const Lab lab;
    const auto config = lab.directory() + "/c.json";
    std::ofstream(config) << R"({"dscp_registry":{"max_concurrent_jobs":2},)"
                          << R"("ksms":{"utilization_warning":0.5}})";
    const auto status = [&] {
        return ksmsctl_run(lab, {"registry", "status", "--config", config});
    };
    CHECK(status().err.empty());
    must(ksmsctl(lab, {"registry", "allocate", "--job", "j", "--pid", std::to_string(getpid())}));
    CHECK(status().err.find("1 of 2 DSCPs are in use") != std::string::npos);
    CHECK(status().out.find("at most 1 at once") != std::string::npos);
}

TEST_CASE("registry: members of the group ksms can only allocate, renew and release") {
    const Lab lab;
    const auto out = on_machine(lab, "0711", R"(
as 0 0 registry allocate --job roots --no-owner --ttl 600
as 4000 4242 registry allocate --job alices --no-owner --ttl 600
as 4000 4242 registry renew --job alices
as 4000 4242 registry release --job roots
as 4000 4242 registry renew --job roots
as 4001 4242 registry release --job alices
as 4000 4242 registry allocate --job x --pid 1
as 4000 4242 registry reap
as 4000 4242 registry release --job alices
as 4000 4000 registry list
setpriv --reuid 4000 --regid 4242 --clear-groups bpftool map update pinned "bpf/$2/leases" key 32 0 0 0 value $(printf '0 %.0s' {1..208}) >/dev/null 2>&1; echo "update $?"
setpriv --reuid 4000 --regid 4242 --clear-groups bpftool map update pinned "bpf/$2/limits" key 0 0 0 0 value $(printf '255 %.0s' {1..48}) >/dev/null 2>&1; echo "update $?"
)");
    expect_in_order(out, {
                             "32\nexit 0",                              // root
                             "33\nexit 0",                              // a member
                             "\nexit 0",                                // renews her own
                             "the lease of DSCP 32 is another user's",  // releases root's
                             "the lease of DSCP 32 is another user's",  // renews root's
                             "the lease of DSCP 33 is another user's",  // another member
                             "the process 1 is another user's",         // owned by root's process
                             "`ksmsctl registry reap` needs",           // root's alone
                             "\nexit 0",                                // releases her own
                             "is for root and the group ksms",          // no member
                             "update ",
                             "update ",
                         });
    CHECK(out.out.find("update 0") == std::string::npos);
}

TEST_CASE("registry: the error names the limit and the key that sets it") {
    const Lab lab;
    const auto out = on_machine(lab, "0711", R"(
echo '{"dscp_registry":{"dscp_range_min":40,"dscp_range_max":47},"ksms":{"max_leases_user":2}}' >c.json
as 4000 4242 registry list
as 0 0 --config c.json registry list
as 4000 4242 registry allocate --job long --no-owner --ttl 100000
as 4000 4242 registry allocate --job high --no-owner --ttl 60 --dscp 47
as 4000 4242 registry allocate --job low --no-owner --ttl 60 --dscp 32
as 4000 4242 registry allocate --job ksmsd:1 --no-owner --ttl 60
as 4000 4242 registry allocate --job a --no-owner --ttl 60
as 4000 4242 registry allocate --job b --no-owner --ttl 60
as 4000 4242 registry allocate --job c --no-owner --ttl 60
as 4000 4242 registry allocate --job c --no-owner --ttl 60 --wait 0.1
as 4001 4242 registry allocate --job d --no-owner --ttl 60
)");
    expect_in_order(out, {
                             "nothing is installed",
                             "no leases",
                             "a time to live of 100000 s is longer than 86400 s",
                             "ksms.max_ttl",
                             "exit 2",
                             "DSCP 47 is kept for root",
                             "ksms.root_reserve",
                             "exit 6",
                             "DSCP 32 is not one of the registry's (40 to 47)",
                             "exit 2",
                             "ksmsd:1: names that begin with ksmsd: are the service's",
                             "exit 6",
                             "40\nexit 0",
                             "41\nexit 0",
                             "2 DSCPs are held by this user already, as many as one may hold",
                             "ksms.max_leases_user",
                             "exit 4",
                             "2 DSCPs are held by this user already, as many as one may hold",
                             "exit 4",
                             "42\nexit 0",
                         });
}

TEST_CASE("registry: a pin root writable by others is not used") {
    const Lab lab;
    const auto out = on_machine(lab, "1777", R"(
stranger() { setpriv --reuid 4001 --regid 4001 --clear-groups "$@"; }
stranger mkdir -m 0777 "bpf/$2"
as 0 0 registry list
as 4000 4242 registry list
rmdir "bpf/$2"
stranger mkdir bpf/elsewhere && stranger ln -s elsewhere "bpf/$2"
as 0 0 registry list
rm "bpf/$2"; rmdir bpf/elsewhere
mkdir "bpf/$2"; chmod 0777 "bpf/$2"
as 0 0 registry list
rmdir "bpf/$2"
as 0 0 registry list
chmod 0777 bpf
as 0 0 registry list
chmod 1777 bpf
as 0 0 registry list
)");
    expect_in_order(out, {
                             "is the user 4001's, not root's",
                             "rm -r",
                             "exit 6",
                             "is the user 4001's, not root's",
                             "exit 6",
                             "is no directory",
                             "exit 6",
                             "may be written by others than root (mode 0777)",
                             "chmod go-w",
                             "exit 6",
                             "no leases",
                             "may be written by others than root (mode 0777)",
                             "exit 6",
                             "no leases",
                         });
}

TEST_CASE("a scan that loses its lease says so and gives no verdict") {
    Lab lab;
    build_one_router(lab);
    const auto source = lab.address(4, 1, 1), destination = lab.address(4, 2, 2);
    REQUIRE(scan(lab, source, destination, "22").exit() == 0);
    Child child(ksmsctl(lab, scan_arguments(source, destination, "8000-8999",
                                            {"--rate", "200", "--job", "short"})));
    REQUIRE(eventually(
        [&] { return ksmsctl_run(lab, {"registry", "show", "--job", "short"}).exit == 0; }));
    must(ksmsctl(lab, {"registry", "release", "--job", "short"}));
    const auto outcome = child.wait();
    INFO(outcome.out.substr(0, 500) << outcome.err);
    CHECK(outcome.exit == 1);
    CHECK(outcome.out.find("the lease of DSCP 32 ended while the scan ran") != std::string::npos);
}

TEST_CASE("a scan longer than its lease's time to live renews it") {
    Lab lab;
    build_one_router(lab);
    const auto config = lab.directory() + "/c.json";
    std::ofstream(config) << R"({"dscp_registry":{"allocation_timeout":1}})";
    const auto result = scan(lab, lab.address(4, 1, 1), lab.address(4, 2, 2), "8000-8999",
                             {"--rate", "400", "--config", config});
    INFO(result.text().substr(0, 500));
    CHECK(result.exit() == 0);
    CHECK(result.outcome().seconds > 2);
    CHECK(result.count("yes") == 1000);
}
