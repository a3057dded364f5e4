// SPDX-License-Identifier: BSD-2-Clause
// What rtnetlink lists: interfaces, addresses, neighbours, routes, rules, qdiscs and filters; and
// IPsec policies. Each
// message is read as each of them: which one it is was said by the question alone.
#include "messages.hpp"
#include "os/parse.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

void plain(const Address& address) {
    holds(address.family == 0 || address.family == AF_INET || address.family == AF_INET6);
    const auto text = address.text();
    if (address) holds(Address::parse(text).value() == address);
}

void interfaces(const nlmsghdr* message) {
    if (const auto link = parse_link(message)) {
        fits(message, link->name);
        fits(message, link->kind);
    }
    if (const auto address = parse_interface_address(message)) {
        plain(address->prefix.address);
        holds(static_cast<bool>(address->prefix.address));
    }
    if (const auto neighbour = parse_neighbour(message)) plain(neighbour->address);
}

void routes(const nlmsghdr* message) {
    if (const auto route = parse_route(message)) {
        plain(route->gateway);
        plain(route->preferred_source);
        plain(route->prefix.address);
        holds(route->prefix.text().size() < 64);
        holds(route->error == 0);
    }
    if (const auto rule = parse_routing_rule(message)) {
        fits(message, rule->iif);
        fits(message, rule->oif);
        holds(rule->tos_mask != 0 || rule->tos == 0);
        // A prefix may be longer than its address: it is compared all the same.
        const auto& address = rule->destination.address;
        holds(!rule->source.contains(address) || rule->source.address.family == address.family);
    }
}

void queueing(const nlmsghdr* message) {
    if (const auto qdisc = parse_qdisc(message)) fits(message, qdisc->kind);
    if (const auto filter = parse_filter(message, 1)) {
        holds(filter->handle != 0 && filter->direction == 1);
        fits(message, filter->kind);
        fits(message, filter->name);
    }
}

void policies(const nlmsghdr* message) {
    const auto policy = parse_outgoing_policy(message);
    if (!policy) return;
    plain(policy->source.address);
    plain(policy->destination.address);
    holds(policy->source.address.family == policy->destination.address.family);
    const IpsecFlow flow{policy->source.address, policy->destination.address, policy->protocol,
                         policy->source_ports.value, policy->destination_ports.value};
    holds(policy->selects(flow));
    holds(is_blocked({*policy}, flow) == (policy->blocks && !policy->depends));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    for_each_message(data, size, [](const nlmsghdr* message) {
        interfaces(message);
        routes(message);
        queueing(message);
        policies(message);
    });
    return 0;
}
