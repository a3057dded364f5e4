// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/order.hpp"

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <tuple>
#include <type_traits>

#include "base/text.hpp"
#include "daemon/allowance.hpp"
#include "request/scan_request.hpp"

namespace ksms {
namespace {

using nlohmann::json;

// How long a job waits in the kernel's queue for a DSCP before ksmsd schedules it again.
constexpr std::chrono::seconds kLeaseWait{10};

// Both ends are the same program, so a struct is encoded as a JSON array of its members. A member
// that is missing here does not compile.
template <typename T, typename Of>
concept Either = std::is_same_v<std::remove_const_t<T>, Of>;

auto members(Either<Address> auto& of) {
    auto& [bytes, family] = of;
    return std::tie(bytes, family);
}
auto members(Either<RegistryLimits> auto& of) {
    auto& [dscp_min, dscp_max, excluded, max_jobs, ttl, root_reserve, user_leases, user_waiters,
           longest] = of;
    return std::tie(dscp_min, dscp_max, excluded, max_jobs, ttl, root_reserve, user_leases,
                    user_waiters, longest);
}
auto members(Either<ScanRequest> auto& of) {
    auto& [source, destination, services, sent_before, source_netns, routers, all_netns, entry_only,
           classes, isolated, assume_next_hop, inject, tap, timeout, deadline, retries, rate, job,
           dscp, user, wait, limits, way, gentle, as_dscp, drops, sudo_uid] = of;
    return std::tie(source, destination, services, sent_before, source_netns, routers, all_netns,
                    entry_only, classes, isolated, assume_next_hop, inject, tap, timeout, deadline,
                    retries, rate, job, dscp, user, wait, limits, way, gentle, as_dscp, drops,
                    sudo_uid);
}
auto members(Either<Order> auto& of) {
    auto& [id, pin_root, detailed, request, namespaces] = of;
    return std::tie(id, pin_root, detailed, request, namespaces);
}
auto members(Either<RunEnd> auto& of) {
    auto& [how, error, what, yes, no, unknown, mixed, sent, resent, lost] = of;
    return std::tie(how, error, what, yes, no, unknown, mixed, sent, resent, lost);
}

template <typename T>
concept PackedByMembers = requires(T& value) { members(value); };

/// Ranges of ports as [protocol, first, last]: a request may have 131,070 services.
json packed_services(const std::vector<Service>& services) {
    auto ranges = json::array();
    for (std::size_t first = 0, next = 0; first < services.size(); first = next) {
        for (next = first + 1; next < services.size() &&
                               services[next].protocol == services[first].protocol &&
                               services[next].port == services[next - 1].port + 1;)
            ++next;
        ranges.push_back({services[first].protocol, services[first].port, services[next - 1].port});
    }
    return ranges;
}

std::vector<Service> unpacked_services(const json& ranges) {
    std::vector<Service> services;
    for (const auto& range : ranges)
        for (std::uint32_t port = range.at(1); port <= range.at(2); ++port)
            services.push_back({range.at(0), static_cast<std::uint16_t>(port)});
    return services;
}

template <typename T>
json packed(const T& value) {
    if constexpr (std::is_same_v<T, std::vector<Service>>) {
        return packed_services(value);
    } else if constexpr (PackedByMembers<const T>) {
        return std::apply([](const auto&... each) { return json::array({packed(each)...}); },
                          members(value));
    } else if constexpr (requires { value.has_value(); }) {
        return value ? packed(*value) : json(nullptr);
    } else if constexpr (requires { value.count(); }) {
        return value.count();
    } else {
        return value;
    }
}

template <typename T>
void unpack(const json& from, T& value) {
    if constexpr (std::is_same_v<T, std::vector<Service>>) {
        value = unpacked_services(from);
    } else if constexpr (PackedByMembers<T>) {
        std::apply([&from, at = std::size_t{0}](
                       auto&... each) mutable { (unpack(from.at(at++), each), ...); },
                   members(value));
    } else if constexpr (requires { value.has_value(); }) {
        if (!from.is_null()) unpack(from, value.emplace());
    } else if constexpr (requires { value.count(); }) {
        value = T(from.get<typename T::rep>());
    } else {
        from.get_to(value);
    }
}

}  // namespace

std::string dump(const json& value) {
    return printable_json(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

Result<Order> make_order(const Job& job, const ScanRequest* read, const Config& config,
                         const std::string& pin_root) {
    Order order{job.id, pin_root, job.type == JobType::detailed, {}, {}};
    auto& request = order.request;
    if (read != nullptr) {
        request = *read;
        KSMS_CHECK(limit(request, config.limits));
    } else {
        KSMS_TRY(auto asked,
                 make_job_request(json::parse(job.request, nullptr, false), config.limits));
        request = static_cast<ScanRequest&&>(asked);
    }
    if (job.uid != 0) {
        const auto& allowance = config.service.allow;
        KSMS_CHECK(allows(allowance, request));
        slow_down(allowance, request);
        order.namespaces = allowance.namespaces;
    }
    request.job = lease_name(job.id);
    request.user = job.user;
    request.wait = request.dscp ? std::chrono::seconds(0) : kLeaseWait;
    return order;
}

std::string line_of(const Order& order) {
    return dump(packed(order)) + "\n";
}

Result<Order> read_order(std::string_view line) {
    try {
        Order order;
        unpack(json::parse(line), order);
        return order;
    } catch (const json::exception& wrong) {
        return fail(Code::failed, std::string("not a valid order: ") + wrong.what());
    }
}

std::string event_line(std::string_view event, const json& data) {
    return dump({{"event", event}, {"data", data}}) + "\n";
}

json json_of(const RunEnd& end) {
    return packed(end);
}

RunEnd read_end(const json& data) {
    RunEnd end;
    unpack(data, end);
    return end;
}

std::string shortage(const Error& error) {
    switch (error.err) {
        case ENOMEM: return "memory";
        case EMFILE:
        case ENFILE: return "descriptors";
        case EAGAIN: return "processes";
        case ENOBUFS: return "buffers";
        default: return {};
    }
}

std::string error_object(const Error& error) {
    return dump({{"code", name_of(error.code)},
                 {"message", valid_utf8(error.text())},
                 {"hint", error.hint.empty() ? json(nullptr) : json(valid_utf8(error.hint))}});
}

}  // namespace ksms
