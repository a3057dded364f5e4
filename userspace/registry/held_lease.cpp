// SPDX-License-Identifier: BSD-2-Clause
// Implements include/ksms/registry.hpp.
#include "ksms/registry.hpp"

#include <algorithm>

#include "base/dscp.hpp"
#include "base/environment.hpp"
#include "bpf/registry_pins.hpp"
#include "registry/registry.hpp"

namespace ksms {
namespace {

std::unexpected<LeaseError> told(const Error& error) {
    return std::unexpected(LeaseError{static_cast<int>(error.code), error.text(), error.hint});
}

nanoseconds not_negative(nanoseconds time) {
    return std::max(time, nanoseconds(0));
}

/// The limits that root has set; as root, the defaults if there are none.
Result<RegistryLimits> limits_without_configuration(const RegistryPins& pins) {
    KSMS_TRY(const auto now, pins.limits.lookup(0));
    if (now && now->dscps != 0) return from_kernel(*now);
    return effective_limits(pins, {});
}

}  // namespace

struct LeaseRegistry::State {
    State(RegistryPins opened, const RegistryLimits& limits)
        : pins(std::move(opened)), registry(pins, limits) {}
    RegistryPins pins;
    Registry registry;
};

struct HeldLease::State {
    std::shared_ptr<LeaseRegistry::State> of;
    Lease lease;
    std::string job;
};

HeldLease::HeldLease(std::unique_ptr<State> state) : state_(std::move(state)) {}
HeldLease::HeldLease(HeldLease&&) noexcept = default;
HeldLease& HeldLease::operator=(HeldLease&& other) noexcept {
    if (this != &other) {
        release();
        state_ = std::move(other.state_);
    }
    return *this;
}
HeldLease::~HeldLease() {
    release();
}

std::uint8_t HeldLease::dscp() const {
    return state_->lease.dscp;
}

int HeldLease::tos() const {
    return Dscp(state_->lease.dscp).tos();
}

const std::string& HeldLease::job() const {
    return state_->job;
}

bool HeldLease::held() const {
    if (!state_) return false;
    const auto held = state_->of->registry.holds(state_->lease.dscp, state_->lease.generation);
    return held && *held;
}

std::expected<void, LeaseError> HeldLease::renew(std::chrono::nanoseconds ttl) {
    const auto& lease = state_->lease;
    const auto renewed =
        state_->of->registry.renew(lease.dscp, lease.generation, not_negative(ttl));
    if (!renewed) return told(renewed.error());
    return {};
}

void HeldLease::release() {
    if (!state_) return;
    const auto& lease = state_->lease;
    // An error means that it was released or has ended already.
    [[maybe_unused]] const auto done = state_->of->registry.release(lease.dscp, lease.generation);
    state_.reset();
}

LeaseRegistry::LeaseRegistry(std::shared_ptr<State> state) : state_(std::move(state)) {}
LeaseRegistry::LeaseRegistry(LeaseRegistry&&) noexcept = default;
LeaseRegistry& LeaseRegistry::operator=(LeaseRegistry&&) noexcept = default;
LeaseRegistry::~LeaseRegistry() = default;

std::expected<LeaseRegistry, LeaseError> LeaseRegistry::open(const std::string& pin_root) {
    auto root = PinRoot::choose(pin_root, Environment::read().pin_root);
    if (!root) return told(root.error());
    auto pins = RegistryPins::open(*root);
    if (!pins) return told(pins.error());
    const auto limits = limits_without_configuration(*pins);
    if (!limits) return told(limits.error());
    return LeaseRegistry(std::make_shared<State>(std::move(*pins), *limits));
}

std::expected<HeldLease, LeaseError> LeaseRegistry::allocate(const LeaseOptions& options) const {
    const auto self = this_process();
    if (!self) return told(self.error());
    LeaseRequest request;
    request.job = options.job;
    request.user = options.user.empty() ? user_name() : options.user;
    request.owner = *self;
    request.dscp = options.dscp;
    request.ttl = not_negative(options.ttl);
    request.endless = request.ttl == nanoseconds(0);
    auto lease = state_->registry.allocate(request, not_negative(options.wait));
    if (!lease) return told(lease.error());
    return HeldLease(std::make_unique<HeldLease::State>(state_, *lease, options.job));
}

}  // namespace ksms
