// SPDX-License-Identifier: BSD-2-Clause
#include "base/service.hpp"

#include <netinet/in.h>

namespace ksms {

const char* protocol_name(std::uint8_t protocol) {
    return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

}  // namespace ksms
