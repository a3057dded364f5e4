// SPDX-License-Identifier: BSD-2-Clause
// Taps on interfaces: attached for one scan, found where they stand already, listed.
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

/// KSMS_ATTACH: how TC taps are attached. Anything else in the variable is Code::usage.
enum class AttachWay { automatic, clsact, tcx };

/// The hooks that count (--tap).
enum class TapHooks { tc, xdp, netfilter };

/// One router (or the source, or the destination host) as the taps see it.
struct TapSite {
    const Netns* netns{nullptr};
    std::vector<std::uint32_t> interfaces;  ///< indices
    std::vector<std::string> names;         ///< of the interfaces, same order
    bool ingress{true}, egress{true};
};

class Traffic;

/// What stands on a site after attach(): which kind of tap counts there, for scan_routers.
struct SiteTaps {
    ksms_tap_kind ingress{KSMS_TAP_NONE};
    ksms_tap_kind egress{KSMS_TAP_NONE};
};

/// The taps of one scan. When it is gone and its guard has undone the rest, what it attached is
/// gone, and what it found stays.
class ScanTaps {
public:
    /// Puts an ingress and an egress tap on every interface of every site, or uses the ones that
    /// stand there (TCX taps of `tap attach` or KeptTaps, if they cover all of its interfaces).
    /// clsact unless the way says TCX, a hook carries a foreign TCX program, or packets flow where
    /// clsact would have to be made. On an error everything attached so far is gone. Journals
    /// before each step. With TapHooks::netfilter a site has a link a direction, for packets of
    /// `family` alone.
    /// @param family  AF_INET or AF_INET6, of the probes
    /// @param traffic  has looked at these sites; outlives the taps
    static Result<ScanTaps> attach(const Objects& objects, Guard& guard, std::uint8_t dscp,
                                   AttachWay way, TapHooks hooks, int family,
                                   const Traffic& traffic, const std::vector<TapSite>& sites);
    [[nodiscard]] const std::vector<SiteTaps>& sites() const { return sites_; }

    /// Are they all there still? Called before judging: a tap that somebody removed, an interface
    /// or namespace that is gone, would turn into false verdicts.
    /// @return for each site "" or what is missing ("eth0: the ingress filter was removed")
    Result<std::vector<std::string>> missing(const std::vector<TapSite>& sites) const;
    /// Lets the links go; filters are the guard's to undo (Guard::undo_all), after the links of all
    /// ScanTaps of the scan, since a tap whose link somebody holds stays. Also done by the
    /// destructor.
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

/// `ksmsctl tap attach`: TCX links (and XDP with TapHooks::xdp) on every interface, pinned under
/// ROOT/links/, until detached. Idempotent: what stands is kept, what is missing is added. On an
/// error what this call attached is gone again.
/// @return ids of the taps newly attached
Result<std::vector<std::uint32_t>> attach_standing(const Objects& objects, Guard& guard,
                                                   const Netns& netns, TapHooks hooks);
/// @return taps removed; 0 where there were none
Result<std::size_t> detach_standing(const Objects& objects, const Netns& netns);
/// The DSCPs of the scans that run and count with links on this namespace.
Result<std::vector<std::uint32_t>> scans_on(const Objects& objects, const Netns& netns);
/// Takes these back that attach_standing() attached.
Status detach_standing(const Objects& objects, const std::vector<std::uint32_t>& taps);

/// One row of `tap list` and `tap counters`.
struct TapRow {
    std::uint32_t id{0};
    ksms_tap tap{};
    bool standing{false};  ///< for every scan: pinned, or kept by tap.owner_pid
    bool present{false};   ///< the link or filter is there
};
Result<std::vector<TapRow>> list_taps(const Objects& objects);

}  // namespace ksms
