// SPDX-License-Identifier: BSD-2-Clause
// What looks at the DSCP and is no firewall: a route, a filter, a program.
#include <linux/bpf.h>

#include "base/fd.hpp"
#include "lab/tiny_program.hpp"
#include "rule_cases.hpp"

namespace {

using namespace ksms::lab;
using How = Step::How;

constexpr int kTcxIngressHook = 46, kTcxEgressHook = 47;  // Linux 6.6

const std::string kClsact = "tc qdisc add dev eth0 clsact; ";
const std::string kElsewhere = "action mirred egress redirect dev eth9";

/// Each concerns packets of DSCP 36, the scan's, and nobody else's.
const std::vector<RuleCase>& looks_at_mark() {
    static const std::vector<RuleCase> cases{
        {"a route with a TOS", {{"r2", How::ip, "route add blackhole NET tos 0x90"}}, 0, 4},
        {"a route with a TOS in another table",
         {{"r1", How::ip, "rule add iif eth0 table 77"},
          {"r1", How::ip, "route add blackhole NET tos 0x90 table 77"}},
         0,
         4},
        {"a queue's priority, which the kernel makes of the TOS",
         {{"r2", How::nft,
           "table ip t {\nchain f {\ntype filter hook forward priority 0\nmeta priority 0:6 "
           "drop\n}\n}\n"}},
         0,
         4},
        {"a filter, u32",
         {{"r2", How::command,
           "ip link add eth9 type veth peer name eth10; ip link set eth9 up; " + kClsact +
               "tc filter add dev eth0 ingress protocol ip u32 match ip tos 0x90 0xfc " +
               kElsewhere}},
         0,
         4},
        {"a filter, u32, IPv6",
         {{"r2", How::command,
           "ip link add eth9 type veth peer name eth10; ip link set eth9 up; " + kClsact +
               "tc filter add dev eth0 ingress protocol ipv6 u32 match ip6 priority 0x90 0xfc " +
               kElsewhere}},
         0,
         6},
        {"a filter that hashes, u32",
         {{"r2", How::command,
           "ip link add eth9 type veth peer name eth10; ip link set eth9 up; tc qdisc add dev eth0 "
           "ingress; tc filter add dev eth0 parent ffff: protocol ip u32 match u8 0x90 0xfc at 1 " +
               kElsewhere}},
         0,
         4},
    };
    return cases;
}

}  // namespace

TEST_CASE("truth: a route or a filter that looks at the scan's DSCP stops no user") {
    const auto which = GENERATE(range(std::size_t{0}, looks_at_mark().size()));
    for_each_case({looks_at_mark()[which]}, "22", 22, {"--dscp", "36"},
                  [](const RuleCase&, const Scan& result) {
                      CHECK(result.verdict("r2", "tcp", 22) == "YES");
                      CHECK(result.result("tcp", 22) == "YES");
                  });
}

TEST_CASE("truth: a foreign program that looks at the scan's DSCP stops no user") {
    const int at = GENERATE(BPF_XDP, kTcxIngressHook, kTcxEgressHook);
    if (at != BPF_XDP && !is_linux(6, 6)) return;
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    ksms::Fd program;
    given("what has no mark passes, what has one stops", [&] {
        build_two(lab);
        program =
            attach_dscp_dropper(lab.netns("r2"), at == kTcxEgressHook ? "eth1" : "eth0", at, 32);
        Capture there(lab.netns("dst"), "eth0");
        send_plain({.netns = lab.netns("src"),
                    .destination = two_destination(lab, family),
                    .protocol = "tcp",
                    .port = 23,
                    .tos = 32 << 2});
        return arrives_alone(lab, family, 22) && !there.saw("tcp", 23);
    });
    for (const auto& asked : only({"clsact", "isolated"})) {
        const auto result = ask(lab, two_source(lab, family), two_destination(lab, family), "22",
                                asked, {"--dscp", "32"});
        INFO("IPv" << family << ", at " << at << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 22) == "YES");
        CHECK(result.result("tcp", 22) == "YES");
    }
}
