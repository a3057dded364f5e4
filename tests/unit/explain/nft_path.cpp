// SPDX-License-Identifier: BSD-2-Clause
// nftables traces, and rules by handle.
#include "explain/nft_path.hpp"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <catch2/catch.hpp>

using namespace ksms;

namespace {

using Kind = NftTraceStep::Kind;

const std::vector<NftChain> kChains{
    {NFPROTO_INET, "t", "early", true, NF_INET_PRE_ROUTING, -300},
    {NFPROTO_INET, "t", "forward", true, NF_INET_FORWARD, 0},
    {NFPROTO_INET, "t", "web", false, 0, 0},
};

NftTraceStep step(std::uint32_t packet, const char* chain, Kind kind, int verdict,
                  std::uint64_t handle = 0, const char* target = "") {
    return {packet, NFPROTO_INET, "t", chain, kind, handle, verdict, target};
}

}  // namespace

TEST_CASE("nft trace: a drop in a chain reached by two jumps") {
    const std::vector<NftTraceStep> steps{
        step(7, "early", Kind::policy, NF_ACCEPT),
        step(7, "forward", Kind::rule, NFT_CONTINUE, 4),
        step(7, "forward", Kind::rule, NFT_JUMP, 5, "web"),
        step(7, "web", Kind::leave, NFT_RETURN, 9),
        step(7, "forward", Kind::rule, NFT_JUMP, 6, "web"),
        step(7, "web", Kind::rule, NF_DROP, 10),
    };
    const auto found = nft_decisions(steps, kChains);
    REQUIRE(found.size() == 2);
    CHECK(found[0].hook == "PREROUTING");
    CHECK_FALSE(is_drop(found[0]));
    CHECK(is_drop(found[1]));
    CHECK(found[1].hook == "FORWARD");
    CHECK(found[1].step.handle == 10);
    REQUIRE(found[1].jumps.size() == 1);
    CHECK(found[1].jumps[0].handle == 6);
}

TEST_CASE("nft trace: the dropped packet is picked out of several") {
    const std::vector<NftTraceStep> steps{step(1, "forward", Kind::rule, NF_DROP, 3),
                                          step(2, "early", Kind::policy, NF_ACCEPT),
                                          step(2, "forward", Kind::policy, NF_ACCEPT)};
    const auto found = nft_decisions(steps, kChains);
    REQUIRE(found.size() == 1);
    CHECK(found[0].step.handle == 3);
    CHECK(nft_decisions({}, kChains).empty());
}

TEST_CASE("nft listing: a rule is found by its handle, on one line or several") {
    const std::string listing = R"(table inet lab { # handle 2
	chain forward { # handle 3
		type filter hook forward priority filter; policy drop;
		tcp dport 443 reject with icmpx port-unreachable # handle 5
		tcp dport { 22, 25,
			    80 } accept comment "no # handle 5x" # handle 7
	}
}
)";
    CHECK(text_by_handle(listing, 5) == "tcp dport 443 reject with icmpx port-unreachable");
    CHECK(text_by_handle(listing, 7) ==
          "tcp dport { 22, 25, 80 } accept comment \"no # handle 5x\"");
    CHECK(text_by_handle(listing, 70).empty());
    CHECK(text_by_handle("", 1).empty());
}
