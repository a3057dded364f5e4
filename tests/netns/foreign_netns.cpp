// SPDX-License-Identifier: BSD-2-Clause
// Namespaces of other users: they are left out unless named or asked for.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "guard_actor.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/lab.hpp"
#include "lab/stranger.hpp"
#include "lab/users.hpp"
#include "os/netns.hpp"

using namespace ksms;
using namespace ksms::lab;

namespace {

/// src - r1 - dst, and a foreign namespace that has assigned itself the source's address.
class Bench {
public:
    Bench() : stranger(kStranger.uid) {
        if (!stranger.here()) return;
        lab.host("src");
        lab.router("r1");
        lab.host("dst");
        lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
        lab.link({"r1", "eth1", 1}, {"dst", "eth0", 2}, 2);
        lab.default_route("src", 1, 2);
        lab.default_route("dst", 2, 1);
        const auto here = fmt::format("--net=/proc/{}/ns/net", stranger.pid());
        must({.arguments = {"nsenter", here, "ip", "link", "set", "lo", "up"}});
        must({.arguments = {"nsenter", here, "ip", "addr", "add", source() + "/32", "dev", "lo"}});
    }
    [[nodiscard]] std::string source() const { return lab.address(4, 1, 1); }
    [[nodiscard]] std::string destination() const { return lab.address(4, 2, 2); }
    [[nodiscard]] std::string name() const { return fmt::format("pid:{}", stranger.pid()); }
    /// The warning about namespaces left out, or "".
    static std::string warning(const Scan& scan) {
        for (const auto& each : scan.field("warnings"))
            if (each.get<std::string>().find("of other users") != std::string::npos) return each;
        return {};
    }
    /// Other users of this machine may have some, so that the warning does not name all.
    [[nodiscard]] bool named_in(const std::string& text) const {
        return text.find(fmt::format("{} (uid {})", name(), kStranger.uid)) != std::string::npos ||
               text.find(" more; ") != std::string::npos;
    }

    Lab lab;
    Stranger stranger;
};

#define SKIP_UNLESS_HERE(bench)                              \
    if (!(bench).stranger.here()) {                          \
        WARN("SKIP: this kernel gives users no namespaces"); \
        return;                                              \
    }

}  // namespace

TEST_CASE("foreign namespaces: the owner of a namespace") {
    Bench bench;
    SKIP_UNLESS_HERE(bench);
    const auto foreign = value(Netns::open(bench.name()));
    CHECK(value(foreign.stranger()) == kStranger.uid);
    CHECK_FALSE(foreign.has_name());
    const auto router = value(Netns::open(bench.lab.netns("r1")));
    CHECK_FALSE(value(router.stranger()));
    CHECK(router.has_name());
    CHECK_FALSE(value(value(Netns::open("host")).stranger()));
    // A user namespace created by root belongs to root, like that of a container with userns-remap.
    Stranger own(0);
    REQUIRE(own.here());
    CHECK_FALSE(value(value(Netns::open(fmt::format("pid:{}", own.pid()))).stranger()));
}

TEST_CASE("foreign namespaces: one that owns the source address is left out with a note") {
    Bench bench;
    SKIP_UNLESS_HERE(bench);
    const auto alone = scan(bench.lab, bench.source(), bench.destination(), "22,80");
    INFO(alone.text());
    CHECK(alone.exit() == 0);
    CHECK(alone.field("entries") == nlohmann::json{bench.lab.netns("src")});
    CHECK(alone.result("tcp", 22) == "YES");
    CHECK(alone.count("yes") == 2);
    CHECK(bench.named_in(Bench::warning(alone)));

    const auto text = run(
        ksmsctl(bench.lab, {"scan", "-s", bench.source(), "-d", bench.destination(), "-P", "22"}));
    INFO(text.err);
    CHECK(bench.named_in(text.err));
    CHECK(text.err.find("of other users") == text.err.rfind("of other users"));
}

TEST_CASE("foreign namespaces: they are included if named or with --all-netns") {
    Bench bench;
    SKIP_UNLESS_HERE(bench);
    const auto entries = [&](const std::vector<std::string>& more) {
        auto arguments = scan_arguments(bench.source(), bench.destination(), "22", more);
        arguments.emplace_back("--dry-run");
        return Scan(bench.lab, run(ksmsctl(bench.lab, arguments)));
    };
    const auto all = entries({"--all-netns"});
    INFO(all.text());
    CHECK(Bench::warning(all).empty());
    const auto names = all.field("entries");
    CHECK(
        std::ranges::any_of(names, [&](const auto& each) { return each["name"] == bench.name(); }));
    CHECK(std::ranges::any_of(
        names, [&](const auto& each) { return each["name"] == bench.lab.netns("src"); }));

    // Nothing is behind its loopback: it is asked and reports that.
    const auto named = entries({"--source-netns", bench.name()});
    INFO(named.text());
    CHECK(named.error().find("no namespace owns") == std::string::npos);
    CHECK(named.error().find("no router is on the way") != std::string::npos);
}

TEST_CASE("foreign namespaces: if only they own the source, the error names them") {
    Bench bench;
    SKIP_UNLESS_HERE(bench);
    bench.lab.remove("src");
    const auto result = scan(bench.lab, bench.source(), bench.destination(), "22");
    INFO(result.text());
    CHECK(result.exit() == 5);
    CHECK(bench.named_in(result.text()));
    CHECK(result.text().find("--all-netns") != std::string::npos);
}
