// SPDX-License-Identifier: BSD-2-Clause
// Bad input: a clear error, the right exit status, nothing left.
#include <fmt/format.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"
#include "sanitized.hpp"

namespace {

using namespace ksms::lab;

struct Bad {
    const char* what;
    std::vector<std::string> arguments;  ///< without -j
    int exit;
    std::vector<std::string> words;  ///< message and hint must hold them
};

/// With -j: exactly one document with the error on standard output. Without: nothing there, the
/// message on standard error.
void check_bad(const Lab& lab, const Bad& bad) {
    INFO(bad.what);
    auto with_json = bad.arguments;
    with_json.insert(with_json.begin(), "-j");
    const Scan result(lab, run(ksmsctl(lab, with_json)));
    INFO(result.text());
    CHECK(result.exit() == bad.exit);
    REQUIRE(result.document().is_object());
    CHECK(result.field("schema") == "ksms.error/1");
    REQUIRE(result.document().contains("error"));
    const auto error = result.error();
    for (const auto& word : bad.words) CHECK(error.find(word) != std::string::npos);
    const auto text = run(ksmsctl(lab, bad.arguments));
    INFO(text.out << text.err);
    CHECK(text.exit == bad.exit);
    CHECK(text.out.empty());
    for (const auto& word : bad.words) CHECK(text.err.find(word) != std::string::npos);
}

TEST_CASE("bad input: a clear error, the right exit status, nothing left") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto source = chain_source(lab, 4), destination = chain_destination(lab, 4);
    REQUIRE(scan(lab, source, destination, "22").exit() == 0);
    const auto before = full_state(lab);
    const auto ports = [&](const char* spec) {
        return std::vector<std::string>{"scan", "-s", source, "-d", destination, "-P", spec};
    };
    const auto with = [&](const std::vector<std::string>& more) {
        auto all = ports("22");
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    const auto gone = lab.netns("gone");
    auto anycast = lab.address(6, 4, 0);
    if (anycast.ends_with("::0")) anycast.pop_back();  // as it is printed (RFC 5952)
    const std::vector<Bad> table{
        {"port 0", ports("0"), 2, {"0"}},
        {"port 99999", ports("99999"), 2, {"99999", "65535"}},
        {"a range backwards", ports("80-22"), 2, {"80-22"}},
        {"a letter for a digit", ports("8O/tcp"), 2, {"8O"}},
        {"an empty list", ports(""), 2, {}},
        {"a list of nothing", ports(" , "), 2, {}},
        {"an unknown service name", ports("telnett"), 2, {"telnett"}},
        {"an unknown protocol", ports("22/sctp"), 2, {"sctp"}},
        {"IPv4 to IPv6",
         {"scan", "-s", source, "-d", chain_destination(lab, 6), "-P", "22"},
         2,
         {source}},
        {"no address",
         {"scan", "-s", "10.0.0.256", "-d", destination, "-P", "22"},
         2,
         {"10.0.0.256"}},
        {"no source", {"scan", "-d", destination, "-P", "22"}, 2, {"-s"}},
        {"no ports", {"scan", "-s", source, "-d", destination}, 2, {"-P"}},
        {"a namespace called ../../etc", with({"--source-netns", "../../etc"}), 2, {"../../etc"}},
        {"a link-local source",
         {"scan", "-s", "fe80::1", "-d", chain_destination(lab, 6), "-P", "22"},
         2,
         {"fe80::1", "link-local"}},
        {"a link-local destination",
         {"scan", "-s", chain_source(lab, 6), "-d", "fe80::1", "-P", "22"},
         2,
         {"fe80::1", "link-local"}},
        {"a multicast destination",
         {"scan", "-s", source, "-d", "224.0.0.5", "-P", "22"},
         2,
         {"224.0.0.5", "multicast"}},
        {"an IPv6 multicast destination",
         {"scan", "-s", chain_source(lab, 6), "-d", "ff05::2", "-P", "22"},
         2,
         {"ff05::2", "multicast"}},
        {"everybody as destination",
         {"scan", "-s", source, "-d", "255.255.255.255", "-P", "22"},
         2,
         {"255.255.255.255", "broadcast"}},
        {"a network's broadcast address",
         {"scan", "-s", source, "-d", lab.address(4, 4, 7), "-P", "22"},
         2,
         {lab.address(4, 4, 7), "broadcast", lab.netns("r3")}},
        {"a network's anycast address",
         {"scan", "-s", chain_source(lab, 6), "-d", anycast, "-P", "22"},
         2,
         {anycast, "anycast", lab.netns("r3")}},
        {"a router called ../../etc", with({"--router", "../../etc"}), 2, {"../../etc"}},
        {"a router that is gone", with({"--router", gone}), 5, {gone}},
        {"a router that is on no way", with({"--router", lab.netns("dst")}), 5, {"on the way"}},
        {"a source namespace that is gone", with({"--source-netns", gone}), 5, {gone}},
        {"a path that is no namespace", with({"--router", "/etc/passwd"}), 5, {"/etc/passwd"}},
        {"a source that nobody owns",
         {"scan", "-s", lab.address(4, 30, 1), "-d", destination, "-P", "22"},
         5,
         {lab.address(4, 30, 1)}},
        {"an option that is none", with({"--prots", "22"}), 2, {"--ports"}},
        {"a command that is none", {"scna"}, 2, {"scan"}},
        {"a rate that is none", with({"--rate", "fast"}), 2, {"fast"}},
        {"a timeout below 0", with({"--timeout", "-1"}), 2, {"-1"}},
        {"a tap that is none", with({"--tap", "tcp"}), 2, {"tcp"}},
        {"a DSCP that is none", with({"--dscp", "64"}), 2, {"64"}},
        {"a job name that is none", with({"--job", "a b"}), 2, {"a b"}},
    };
    for (const auto& bad : table) check_bad(lab, bad);
    CHECK(difference(before, full_state(lab)) == "");
}

TEST_CASE("bad input: -p instead of -P gives a hint") {
    Lab lab;
    const auto outcome =
        run(ksmsctl(lab, {"scan", "-s", "10.0.0.1", "-d", "10.0.0.2", "-p", "80"}));
    INFO(outcome.out << outcome.err);
    CHECK(outcome.exit == 2);
    CHECK(outcome.err.find("did you mean -P") != std::string::npos);
}

TEST_CASE("bad input: KSMS_ATTACH is clsact or tcx") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22", {},
                             {{"KSMS_ATTACH", "xdp"}});
    INFO(result.text());
    CHECK(result.exit() == 2);
    CHECK(result.error().find("KSMS_ATTACH") != std::string::npos);
}

/// The program may be in a directory that other users cannot enter.
std::string program_for_all(const Lab& lab) {
    auto copy = lab.directory() + "/ksmsctl";
    std::filesystem::copy_file(KSMSCTL, copy);
    ::chmod(lab.directory().c_str(), 0755);
    return copy;
}

TEST_CASE("bad input: EMFILE is reported and never becomes a verdict") {
    SKIP_IF_SANITIZED();
    Lab lab;
    build_chain(lab, {.firewalls = false});
    auto command = ksmsctl(
        lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "22", {"--dry-run"}));
    const auto with_limit = [&](const std::string& limit) {
        auto limited = command;
        limited.arguments.insert(limited.arguments.begin(), {"prlimit", "--nofile=" + limit});
        return Scan(lab, run(limited));
    };
    int refused = 0;
    for (int most = 6; most < 4096; most += 3) {
        const auto result = with_limit(fmt::format("{0}:{0}", most));
        INFO(most << ": " << result.text());
        if (result.exit() == 0) break;
        ++refused;
        REQUIRE(result.exit() == 1);
        const auto hint = result.field("error").value("hint", "");
        REQUIRE(hint.find("RLIMIT_NOFILE allows this process ") == 0);
    }
    CHECK(refused > 2);
    const auto raised = with_limit("6:4096");
    INFO(raised.text());
    CHECK(raised.exit() == 0);
}

TEST_CASE("bad input: without /proc no process counts as dead") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto refused =
        run({.arguments = {"unshare", "--mount", "--propagation", mount_propagation(), "sh", "-c",
                           "mount -t tmpfs none /proc && exec \"$@\"", "sh", KSMSCTL, "--pin-root",
                           lab.pin_root(), "scan", "-s", chain_source(lab, 4), "-d",
                           chain_destination(lab, 4), "-P", "22"}});
    INFO(refused.out << refused.err);
    CHECK(refused.exit == 1);
    CHECK(refused.err.find("/proc is not mounted") != std::string::npos);
    CHECK(refused.err.find("mount -t proc") != std::string::npos);
}

Outcome run_as_nobody(const Lab& lab, const std::string& program,
                      const std::vector<std::string>& arguments) {
    auto command = ksmsctl(lab, arguments);
    command.arguments.front() = program;
    command.uid = 65534;
    return run(command);
}

TEST_CASE("bad input: without root, every command names the capabilities") {
    Lab lab;
    const auto program = program_for_all(lab);
    const std::vector<std::vector<std::string>> commands{
        {"tap", "list"}, {"tap", "counters"},  {"tap", "attach", "host"},
        {"gc"},          {"registry", "reap"}, {"registry", "check"}};
    for (const auto& arguments : commands) {
        const auto outcome = run_as_nobody(lab, program, arguments);
        INFO(outcome.err);
        CHECK(outcome.exit == 6);
        CHECK(outcome.err.find("CAP_BPF") != std::string::npos);
    }
}

TEST_CASE("bad input: a user outside the group is told which group") {
    Lab lab;
    REQUIRE(run(ksmsctl(lab, {"registry", "list"})).exit == 0);
    const auto program = program_for_all(lab);
    for (const char* what : {"list", "status"}) {
        const auto outcome = run_as_nobody(lab, program, {"registry", what});
        INFO(outcome.err);
        CHECK(outcome.exit == 6);
        CHECK(outcome.err.find("for root and the group ksms") != std::string::npos);
    }
}

TEST_CASE("bad input: capabilities without permissions on the pins") {
    Lab lab;
    REQUIRE(run(ksmsctl(lab, {"registry", "list"})).exit == 0);
    const auto program = program_for_all(lab);
    const std::string capabilities = "+net_admin,+net_raw,+sys_admin,+bpf,+perfmon";
    for (const auto& arguments : std::vector<std::vector<std::string>>{{"tap", "list"}, {"gc"}}) {
        auto command = ksmsctl(lab, arguments);
        command.arguments.front() = program;
        command.arguments.insert(command.arguments.begin(),
                                 {"setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps",
                                  capabilities, "--ambient-caps", capabilities});
        const auto outcome = run(command);
        INFO(outcome.err);
        CHECK(outcome.exit == 6);
        CHECK(outcome.err.find("hint: " + lab.pin_root() + " and its pins are root's") !=
              std::string::npos);
        CHECK(outcome.err.find("CAP_DAC_OVERRIDE") != std::string::npos);
    }
}

TEST_CASE("bad input: without root, the missing capability is named") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto copy = program_for_all(lab);
    auto command =
        ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "22"));
    command.arguments.front() = copy;
    command.uid = 65534;
    const Scan result(lab, run(command));
    INFO(result.text());
    CHECK(result.exit() == 6);
    REQUIRE(result.document().is_object());
    const auto error = result.error();
    CHECK((error.find("CAP_") != std::string::npos || error.find("root") != std::string::npos));
}

TEST_CASE("bad input: a pin root outside a BPF file system") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22", {},
                             {{"KSMS_PIN_ROOT", lab.directory() + "/pins"}});
    INFO(result.text());
    CHECK(result.exit() == 2);
    REQUIRE(result.document().is_object());
    CHECK(result.error().find(lab.directory()) != std::string::npos);
}

}  // namespace
