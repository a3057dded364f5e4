// SPDX-License-Identifier: BSD-2-Clause
// Verdicts in words. This is the one place that makes them; docs and schemas are checked against
// its lists.
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

/// One line for a person: "br-gw: firewall, FORWARD (NETFILTER_DROP)"; "": nothing to say.
std::string why_text(const Report& report, const ServiceReport& service);

/// What the destination did with it, where that is known: "accepted, nobody listens"; "" otherwise.
/// "10.0.0.1:80", "[fd00::1]:80"
std::string endpoint_text(const Endpoint& endpoint);
/// "no-listener"; "" where nothing is known.
std::string_view delivery_name(const ServiceReport& service);
std::string arrival_text(const Report& report, const ServiceReport& service);

/// The router that stopped it; "": none.
const std::string& stopped_at(const Report& report, const ServiceReport& service);

/// "local", "remarked:0", "translated:10.4.0.9:8443", "translated-source:[fd00::9]:33001".
std::vector<std::string> notes_text(const Report& report, const ServiceReport& service);
std::vector<std::string> notes_text(const Report& report, const ServiceAtRouter& answer);

/// "tcp-reset", "tcp-syn-ack", or an ICMP error as iptables-extensions(8) names it under REJECT:
/// "icmp-port-unreachable", "icmp6-adm-prohibited"; what has no name there is "icmp-TYPE-CODE";
/// "": no reply.
std::string reply_text(const Reply& reply);

/// "no service has a verdict: …" where that is so; "" otherwise.
std::string failure_text(const Report& report);
std::string failure_text(const Explanation& result);

/// The words themselves, for documents and tests.
[[nodiscard]] std::string_view name_of(Note note);
/// Of an UNKNOWN: "lost", "stopped_before", "not_sent:deadline"; "" for a Why that has no fixed
/// one.
[[nodiscard]] std::string_view reason_of(Why why);

}  // namespace ksms
