// SPDX-License-Identifier: BSD-2-Clause
// The port list of -P and of "services".
#include "request/ports.hpp"

#include <netinet/in.h>

#include <set>

#include "holds.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

/// A list that names these services one by one.
std::string list_of(const std::vector<Service>& services) {
    std::string list;
    for (const auto& service : services)
        list += std::to_string(service.port) + "/" + protocol_name(service.protocol) + ",";
    return list;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto spec = text_of(data, size);
    const auto services = parse_ports(spec, IPPROTO_TCP);
    const auto longest = longest_range(spec);
    if (!services) {
        holds(services.error().code == Code::usage && !services.error().hint.empty());
        // It is shown as it is: one line of UTF-8.
        holds(printable(services.error().message) == services.error().message);
        holds(services.error().message.size() < 400);
        return 0;
    }
    holds(longest && *longest >= 1 && *longest <= services->size());
    for (const auto& service : *services)
        holds(service.port != 0 &&
              (service.protocol == IPPROTO_TCP || service.protocol == IPPROTO_UDP));
    constexpr std::size_t few = 100;
    if (services->size() > few) return 0;
    holds(std::set<Service>(services->begin(), services->end()).size() == services->size());
    holds(parse_ports(list_of(*services), IPPROTO_UDP).value() == *services);
    holds(exclude(*services, *services).empty());
    return 0;
}
