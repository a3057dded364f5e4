// SPDX-License-Identifier: BSD-2-Clause
// Taps on interfaces: attaching, finding, listing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/objects.hpp"
#include "guard/guard.hpp"
#include "ksms/abi.h"
#include "os/netns.hpp"

namespace ksms {

/// How TC taps are attached (KSMS_ATTACH).
enum class AttachWay { automatic, clsact, tcx };

/// The hooks that count (--tap).
enum class TapHooks { tc, xdp, netfilter };

/// The interfaces of a router, the source or a destination host.
struct TapSite {
    const Netns* netns{nullptr};
    std::vector<std::uint32_t> interfaces;  ///< indices
    std::vector<std::string> names;         ///< of the interfaces, same order
    bool ingress{true}, egress{true};
    bool is_router{false};  ///< netfilter links may count instead
};

class Traffic;

constexpr bool is_netfilter(ksms_tap_kind kind) {
    return kind == KSMS_TAP_NETFILTER_IPV4 || kind == KSMS_TAP_NETFILTER_IPV6;
}

/// The kinds of taps that count on a site, for scan_routers.
struct SiteTaps {
    ksms_tap_kind ingress{KSMS_TAP_NONE};
    ksms_tap_kind egress{KSMS_TAP_NONE};
};

/// The taps of one scan. Removed by the destructor and the guard, except those that existed before.
class ScanTaps {
public:
    /// Attaches an ingress and an egress tap to every interface of every site, or uses standing or
    /// kept TCX taps if they cover all interfaces of the site. Uses clsact unless `way` is tcx or a
    /// hook has a foreign TCX program. Where packets flow and a clsact would have to be created a
    /// router gets netfilter links (Linux 6.4), a host TCX links.
    /// A site with netfilter links has one per direction, for packets of `family`.
    /// Journals each step first. On an error removes what was attached.
    /// @param family  AF_INET or AF_INET6, of the probes
    /// @param traffic  has measured these sites; outlives the taps
    static Result<ScanTaps> attach(const Objects& objects, Guard& guard, std::uint8_t dscp,
                                   AttachWay way, TapHooks hooks, int family,
                                   const Traffic& traffic, const std::vector<TapSite>& sites);
    [[nodiscard]] const std::vector<SiteTaps>& sites() const { return sites_; }

    /// Checks that all taps, interfaces and namespaces still exist. Call it before judging, to
    /// avoid false verdicts.
    /// @return for each site "" or what is missing ("eth0: the ingress filter was removed")
    Result<std::vector<std::string>> missing(const std::vector<TapSite>& sites) const;
    /// Closes the links. The guard removes the filters (Guard::undo_all), after the links of all
    /// ScanTaps of the scan are closed, because a tap stays while its link is held. The destructor
    /// calls this.
    void detach();

    ScanTaps(ScanTaps&&) noexcept;
    ScanTaps& operator=(ScanTaps&&) noexcept;
    ~ScanTaps();

private:
    struct State;
    explicit ScanTaps(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
    std::vector<SiteTaps> sites_;
};

/// `ksmsctl tap attach`: attaches TCX links (and XDP with TapHooks::xdp) to every interface and
/// pins them under ROOT/links/. Idempotent: adds missing taps. On an error removes the taps that
/// this call attached.
/// @return ids of the new taps
Result<std::vector<std::uint32_t>> attach_standing(const Objects& objects, const Netns& netns,
                                                   TapHooks hooks);
/// @return the number of removed taps
Result<std::size_t> detach_standing(const Objects& objects, const Netns& netns);
/// The DSCPs of the running scans that use links in this namespace.
Result<std::vector<std::uint32_t>> scans_on(const Objects& objects, const Netns& netns);
/// Removes taps that attach_standing() has attached.
Status detach_standing(const Objects& objects, const std::vector<std::uint32_t>& taps);

/// One row of `tap list` and `tap counters`.
struct TapRow {
    std::uint32_t id{0};
    ksms_tap tap{};
    bool standing{false};  ///< counts for every scan: pinned, or kept by tap.owner_pid
    bool present{false};   ///< the link or filter exists
};
Result<std::vector<TapRow>> list_taps(const Objects& objects);

}  // namespace ksms
