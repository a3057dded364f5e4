// SPDX-License-Identifier: BSD-2-Clause
// Why a verdict is what it is. Fields only: output/words.hpp makes sentences of them.
#pragma once

#include <cstdint>

#include "judge/drop.hpp"
#include "judge/reply.hpp"

namespace ksms {

enum class Why : std::uint8_t {
    nothing,    ///< YES, and nothing to add
    delivered,  ///< YES: the router owns the destination, see Arrival
    dropped,    ///< NO
    by_entry,   ///< the entries have different results or reasons: Report::by_entry
    // UNKNOWN, reason "lost"
    lost,           ///< sent as often as allowed, and not seen
    no_word,        ///< it came in; nothing reports what became of it
    held,           ///< it came in, and was still there when the time was over
    redirected,     ///< the router took it for itself in the destination's place
    proxied,        ///< answered in the destination's place
    not_looked_at,  ///< its counters prove nothing, and no time was left to follow one packet
    rate_limited,   ///< no time was left to try it alone
    // UNKNOWN, reason "state:RULE"; the text is the rule
    remembered,  ///< a rule answered by what came before, which the scan itself may have been
    spared,      ///< not sent: a rule would have held it against the source (--gentle)
    // UNKNOWN, reason "lost" again
    before_router,  ///< dropped on the link before this router
    unwatched,      ///< it went on to routers without taps
    // UNKNOWN, reason "stopped_before:ROUTER"
    stopped_before,
    // UNKNOWN, reason "not_sent:WHY"
    another_way,              ///< it left the source by another interface than planned
    next_hop_missing,         ///< of this router
    source_next_hop_missing,  ///< of the source
    past_its_taps,            ///< seen behind this router, not at it
    given_another,            ///< a router before it makes another packet of it
    taps_gone,
    interrupted,
    deadline,
    send_failed,     ///< the text says why
    source_dropped,  ///< the source's namespace dropped it
    no_way,          ///< the plan has no router for it, or no way into it; the text says why
};

/// Where and why the kernel dropped it.
struct DropSite {
    KernelWords::Index reason{KernelWords::kNone}, place{KernelWords::kNone};
    std::uint8_t hook{0};  ///< enum ksms_hook
    DropKind kind{DropKind::unnamed};
    bool reported{false};  ///< false: it came in and did not go out, and no drop was reported
    bool operator==(const DropSite&) const = default;
};
[[nodiscard]] DropSite site_of(const Drop& drop);

/// Did a firewall not only drop it, but say so to the sender? A reply to a drop of another kind (no
/// route, TTL) is the kernel's own, and no firewall's.
[[nodiscard]] bool is_rejected(const DropSite& dropped, const Reply& reply);

/// Into Plan::routers, and Report::router_names.
enum class RouterIndex : std::uint16_t {};
inline constexpr RouterIndex kNoRouter{0xffff};
/// Into Report::texts.
enum class TextIndex : std::uint16_t {};
inline constexpr TextIndex kNoText{0};

struct Cause {
    Why why{Why::nothing};
    bool loop{false};     ///< dropped in a routing loop
    bool hairpin{false};  ///< it would have left by the interface it came in by
    RouterIndex router{kNoRouter};
    DropSite dropped{};
    Reply reply{};  ///< of the router that it ended at
    /// What the kind of cause needs: the route that refused it ("blackhole (10.2.0.0/16)"), the tap
    /// that is gone, why it was not sent, the planned interface.
    TextIndex text{kNoText};
    TextIndex iface{kNoText};  ///< the interface that it is about
    TextIndex netns{kNoText};  ///< the source's namespace, where it is about that
    bool operator==(const Cause&) const = default;
};

/// How the destination took a probe.
enum class Delivery : std::uint8_t {
    unknown,   ///< nothing was seen, and drops are not
    refused,   ///< dropped before a socket was looked for: a firewall's INPUT, reverse path, …
    unheard,   ///< accepted, nobody listens
    filtered,  ///< accepted, and the socket's own filter dropped it
    no_room,   ///< accepted, and the socket's buffer was full
    taken,     ///< accepted, a socket took it
};

/// What is known of the destination itself.
struct Arrival {
    enum class By : std::uint8_t {
        nobody,    ///< nothing is known of it
        cause,     ///< a router owns it, and the service's cause says all
        router,    ///< a router owns it, and took it
        host,      ///< a host on this machine
        elsewhere  ///< it did not come to the host on this machine
    };
    By by{By::nobody};
    bool reached{false};
    Delivery delivery{Delivery::unknown};
    DropSite dropped{};
    Reply reply{};
    TextIndex host{kNoText};  ///< name of the host that dropped it
    /// Is it known whether the destination was reached?
    [[nodiscard]] bool known() const { return by != By::nobody; }
    bool operator==(const Arrival&) const = default;
};

}  // namespace ksms
