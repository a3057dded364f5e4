// SPDX-License-Identifier: BSD-2-Clause
#include "base/service_names.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <string_view>

namespace ksms {
namespace {

/// Common names that services(5) of Debian lacks. Callers of ksms_tester use them.
struct CommonName {
    const char* name;
    Service service;
};
constexpr CommonName kCommonNames[] = {{"dns", {IPPROTO_UDP, 53}},
                                       {"smb", {IPPROTO_TCP, 445}},
                                       {"rdp", {IPPROTO_TCP, 3389}},
                                       {"https-alt", {IPPROTO_TCP, 8443}}};

ServiceNames read_database() {
    ServiceNames found;
    ::setservent(1);
    while (const servent* entry = ::getservent()) {
        const std::string_view protocol = entry->s_proto;
        if (protocol != "tcp" && protocol != "udp") continue;
        const Service service{
            static_cast<std::uint8_t>(protocol == "tcp" ? IPPROTO_TCP : IPPROTO_UDP),
            ntohs(static_cast<std::uint16_t>(entry->s_port))};
        found.by_service.emplace(service, entry->s_name);
        found.by_name[entry->s_name].push_back(service);
        for (char** alias = entry->s_aliases; *alias != nullptr; ++alias)
            found.by_name[*alias].push_back(service);
    }
    ::endservent();
    for (const auto& [name, service] : kCommonNames)
        if (auto& services = found.by_name[name]; services.empty()) services.push_back(service);
    for (const auto& [name, services] : found.by_name) found.names.push_back(name);
    return found;
}

}  // namespace

const ServiceNames& ServiceNames::get() {
    static const ServiceNames names = read_database();
    return names;
}

std::string service_name(const Service& service) {
    const auto& names = ServiceNames::get().by_service;
    const auto found = names.find(service);
    return found == names.end() ? std::string() : found->second;
}

}  // namespace ksms
