// SPDX-License-Identifier: BSD-2-Clause
// A packet that the kernel dropped: kfree_skb's reason, function and hook.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace ksms {

/// The kernel's own words of one scan (drop reasons, functions), each once. Evidence and verdicts
/// carry indices.
class KernelWords {
public:
    using Index = std::uint16_t;
    static constexpr Index kNone = 0;

    /// @return the index of the word; kNone for "", and where 65,535 words are known already
    Index add(std::string_view word);
    [[nodiscard]] const std::string& operator[](Index index) const { return words_[index]; }

private:
    std::vector<std::string> words_{""};
};

/// What a drop means. drop.cpp has the kernel's name of each.
enum class DropKind : std::uint8_t {
    unnamed,  ///< the kernel gave no reason
    firewall,
    for_another,  ///< a frame that was flooded, to another's address
    no_route,
    refused_by_route,  ///< no reason given, but dropped by a function of the routing decision
    reverse_path,
    ttl,
    neighbour,  ///< nobody answers for the next hop
    no_socket,
    socket_filter,
    buffer_full,
    mtu,
    forwarding_off,
    martian_source,
    own_source,  ///< the source is an address of the router
    tc_egress,
    tc_ingress,
    queueing,
    xdp,
    other,
};

struct DropClass {
    DropKind kind{DropKind::unnamed};
    bool at_transport{false};  ///< the namespace took it, and its transport or socket did not
    bool unresolved{false};    ///< neighbour resolution failed
    bool no_room{false};       ///< a full queue or no memory: the next packet may pass
    bool operator==(const DropClass&) const = default;
};

/// @param reason  enum skb_drop_reason without its prefix: "NETFILTER_DROP"; "" where the kernel
///                gave none
/// @param place   the function that dropped: "nft_do_chain"; "" where symbols are hidden
[[nodiscard]] DropClass classify_drop(std::string_view reason, std::string_view place);

struct Drop {
    std::uint32_t count{0};  ///< 0: nothing was dropped
    Instant at;              ///< the last
    KernelWords::Index reason{KernelWords::kNone}, place{KernelWords::kNone};
    std::uint8_t hook{0};  ///< enum ksms_hook
    DropClass is{};
    bool operator==(const Drop&) const = default;
    [[nodiscard]] bool by_firewall() const { return is.kind == DropKind::firewall; }
    /// Was it the routing decision that dropped it?
    [[nodiscard]] bool by_routing() const {
        return is.kind == DropKind::no_route || is.kind == DropKind::refused_by_route;
    }
};

/// @param hook  enum ksms_hook
/// @return "FORWARD"; "" where it is not known
[[nodiscard]] const char* hook_name(std::uint8_t hook);

}  // namespace ksms
