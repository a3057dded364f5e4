// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>

#include "explain/result.hpp"

namespace ksms {

const char* name_of(Firewall firewall) {
    switch (firewall) {
        case Firewall::nftables: return "nftables";
        case Firewall::iptables_nft: return "iptables-nft";
        case Firewall::iptables_legacy: return "iptables-legacy";
    }
    return "";
}

const char* name_of(Passage passage) {
    switch (passage) {
        case Passage::passed: return "passed";
        case Passage::dropped: return "dropped";
        case Passage::not_reached: return "not reached";
        case Passage::not_known: return "not known";
    }
    return "";
}

std::uint32_t Explanation::count(Verdict verdict) const {
    return static_cast<std::uint32_t>(std::ranges::count_if(
        services, [verdict](const auto& each) { return each.end().result == verdict; }));
}

}  // namespace ksms
