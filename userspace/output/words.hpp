// SPDX-License-Identifier: BSD-2-Clause
// Texts for verdicts, reasons and notes. All such texts are here; tests compare docs and schemas
// with these lists.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "explain/result.hpp"
#include "judge/report.hpp"

namespace ksms {

/// "NETFILTER_DROP", "lost", "stopped_before:br-gw", "not_sent:deadline"; "": null.
std::string reason_text(const Report& report, const ServiceReport& service);
std::string reason_text(const Report& report, const ServiceAtRouter& answer);

/// One line of text: "br-gw: firewall, FORWARD (NETFILTER_DROP)"; may be "".
std::string why_text(const Report& report, const ServiceReport& service);

/// "10.0.0.1:80", "[fd00::1]:80"
std::string endpoint_text(const Endpoint& endpoint);
/// "no-listener"; "": not known.
std::string_view delivery_name(const ServiceReport& service);
/// What the destination did with the probe: "accepted, nobody listens"; "": not known.
std::string arrival_text(const Report& report, const ServiceReport& service);

/// The router that stopped the probe; "": none.
const std::string& stopped_at(const Report& report, const ServiceReport& service);

/// "local", "remarked:0", "translated:10.4.0.9:8443", "translated-source:[fd00::9]:33001".
std::vector<std::string> notes_text(const Report& report, const ServiceReport& service);
std::vector<std::string> notes_text(const Report& report, const ServiceAtRouter& answer);

/// "tcp-reset", "tcp-syn-ack", or an ICMP error by its name in iptables-extensions(8), REJECT:
/// "icmp-port-unreachable", "icmp6-adm-prohibited"; "icmp-TYPE-CODE" if it has none there; "": no
/// reply.
std::string reply_text(const Reply& reply);

/// "no service has a verdict: …" if that is the case; else "".
std::string failure_text(const Report& report);
std::string failure_text(const Explanation& result);

/// The words of documents.
[[nodiscard]] std::string_view name_of(Note note);
/// The reason of an UNKNOWN: "lost", "stopped_before", "not_sent:deadline"; "" if it has no fixed
/// text.
[[nodiscard]] std::string_view reason_of(Why why);

}  // namespace ksms
