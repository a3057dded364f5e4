// SPDX-License-Identifier: BSD-2-Clause
#include "request/reading.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "base/nearest.hpp"
#include "explain/explain.hpp"
#include "ksms/abi.h"
#include "registry/registry.hpp"
#include "request/ports.hpp"

namespace ksms {
namespace {

// The minimum timeout, also used for 0: an idle router needs this time, and local delivery is
// certain after it (kLocalSettle in retry/retry.cpp).
constexpr std::chrono::milliseconds kShortestTimeout{50};

/// Parses one value of a field by the kind of the field.
struct Value {
    const Field& field;
    const std::string &name, &said, &text;

    std::unexpected<Error> wrong(const std::string& why, std::string hint = {}) const {
        return fail(Code::usage, said + ": " + why, std::move(hint));
    }
    /// The result of a function of options.hpp.
    template <typename T>
    Result<T> number(const std::expected<T, std::string>& read) const {
        if (!read) return wrong("not " + read.error());
        return *read;
    }
    Result<std::size_t> index_in(const std::vector<std::string>& words, const std::string& word,
                                 const std::string& why) const {
        const auto found = std::ranges::find(words, word);
        if (found == words.end()) return wrong(why, did_you_mean(word, words));
        return static_cast<std::size_t>(found - words.begin());
    }

    Result<bool> read(const kind::Switch&) const { return true; }
    Result<std::size_t> read(const kind::Choice&) const {
        const auto words = choices_in(field.value);
        return index_in(words, text, fmt::format("it is {}", fmt::join(words, " or ")));
    }
    Result<std::uint64_t> read(const kind::Whole& range) const {
        return number(read_whole(text, range.least, range.most));
    }
    Result<std::chrono::nanoseconds> read(const kind::Seconds& range) const {
        return number(read_seconds(text, range.least, range.most));
    }
    Result<Address> read(const kind::IpAddress&) const {
        auto address = Address::parse(text);
        if (!address) return wrong("not an IPv4 or IPv6 address");
        return address;
    }
    Result<std::uint8_t> read(const kind::Dscp&) const { return read_dscp(text); }
    Result<std::string> read(const kind::JobName& range) const {
        if (is_job_name(text) && text.size() <= range.most) return text;
        return wrong("a job's name is 1 to 63 of A-Z a-z 0-9 . _ : @ + -");
    }
    Result<std::string> read(const kind::NetnsName&) const {
        if (!text.empty()) return text;
        return fail(Code::usage, name + " needs a namespace");
    }
    Result<std::string> read(const kind::Text& range) const {
        if (text.size() >= range.least && text.size() <= range.most) return text;
        return wrong(fmt::format("not {} to {} bytes", range.least, range.most));
    }
    Result<std::set<Verdict>> read(const kind::Verdicts&) const {
        std::set<Verdict> verdicts;
        for (const auto part : std::views::split(text, ',')) {
            const std::string word(part.begin(), part.end());
            KSMS_TRY(const auto index,
                     index_in(choices_in(field.value), word,
                              fmt::format("\"{}\" is not yes, no or unknown", word)));
            verdicts.insert(static_cast<Verdict>(index));
        }
        if (verdicts.empty()) return wrong("\"\" is not yes, no or unknown");
        return verdicts;
    }
};

}  // namespace

std::uint8_t read_dscp(const std::string& text) {
    constexpr std::size_t digits = 2;
    const auto dscp = read_whole(text, 0, KSMS_DSCPS - 1);
    return static_cast<std::uint8_t>(dscp && text.size() <= digits ? *dscp
                                                                   : std::uint64_t{KSMS_DSCPS});
}

std::string Reading::name(const std::string& field) const {
    return is_line() ? "--" + field : '"' + key_of(field) + '"';
}

std::string Reading::phrase(const std::string& field, const std::string& shown) const {
    return name(field) + (is_line() ? " " : ": ") + shown;
}

Status Reading::take(const Field& field, const std::vector<Given>& values) {
    const auto own = field.name();
    const auto meant = field.same == nullptr ? own : field.same;
    if (!values.empty() && has(meant))
        return fail(Code::usage,
                    is_line()
                        ? fmt::format("{} and {} are the same option", said(meant),
                                      phrase(own, values.front().shown))
                        : fmt::format("{} and {} are the same: give one", name(own), name(meant)));
    for (const auto& [text, shown] : values) {
        const Value value{field, name(own), said_[meant] = phrase(own, shown), text};
        KSMS_CHECK(std::visit(
            [&](const auto& kind) -> Status {
                KSMS_TRY(auto read, value.read(kind));
                kind.put(asked_, std::move(read));
                return {};
            },
            field.kind));
    }
    return {};
}

/// Checks the mandatory fields.
Status Reading::check_presence() const {
    for (const char* needed : {"source", "destination", "ports"}) {
        if (has(needed)) continue;
        const bool ports = needed == std::string_view("ports");
        if (!is_line())
            return fail(Code::usage,
                        fmt::format("{} is missing", name(ports ? "services" : needed)));
        const auto [who, command] = place_ == in_scan      ? std::pair("a scan", "scan")
                                    : place_ == in_explain ? std::pair("explain", "explain")
                                                           : std::pair("a job", "job submit");
        return fail(Code::usage,
                    fmt::format("{} needs -{} (--{} {})", who, ports ? 'P' : *needed, needed,
                                ports ? "SPEC" : "IP"),
                    fmt::format("ksmsctl {} {}", command, kRequestSynopsis));
    }
    return {};
}

Status Reading::check_way() const {
    if (asked_.source.family != asked_.destination.family)
        return fail(
            Code::usage,
            fmt::format("{} and {}: one is IPv4, the other IPv6",
                        is_line() ? "-s " + asked_.source.text() : said("source"),
                        is_line() ? "-d " + asked_.destination.text() : said("destination")));
    if (!asked_.isolated && !asked_.inject.empty())
        return fail(Code::usage,
                    fmt::format("{} is for {}", name("inject"),
                                phrase("mode", is_line() ? "isolated" : "\"isolated\"")));
    if (asked_.isolated && asked_.tap == TapHooks::xdp)
        return fail(Code::usage,
                    fmt::format("{} cannot see probes that {} injects", said("tap"), said("mode")),
                    fmt::format("they enter behind XDP; use {}, the default",
                                phrase("tap", is_line() ? "tc" : "\"tc\"")));
    return {};
}

/// Makes the services from the port lists. Ranges longer than --range-limit (without --force) and
/// more services than --max-services are errors; ksms_tester cut them silently.
Status Reading::make_services() {
    const std::uint8_t protocol = asked_.udp ? IPPROTO_UDP : IPPROTO_TCP;
    KSMS_TRY(asked_.services, parse_ports(asked_.ports, protocol));
    if (has("exclude-ports")) {
        KSMS_TRY(const auto excluded, parse_ports(asked_.exclude_ports, protocol));
        asked_.services = exclude(asked_.services, excluded);
        if (asked_.services.empty())
            return fail(Code::usage, said("exclude-ports") + ": no port is left");
    }
    const auto count = asked_.services.size();
    if ((place_ == in_explain || asked_.detailed) && count > kMostExplained)
        return fail(Code::usage,
                    fmt::format("{} services: explain takes {} at most, one after the other", count,
                                kMostExplained),
                    "scan takes them all: it says which are worth explaining");
    if (asked_.max_services && count > *asked_.max_services)
        return fail(Code::usage,
                    fmt::format("{}: {} services are asked for", said("max-services"), count),
                    "raise or omit it; ksms drops no service silently");
    if (!asked_.range_limit || asked_.force) return {};
    KSMS_TRY(const auto written, longest_range(asked_.ports));
    if (written <= *asked_.range_limit) return {};
    return fail(
        Code::usage,
        fmt::format("{}: a range of {} ports is asked for", said("range-limit"), written),
        fmt::format("none is cut silently; {} lifts the limit, or omit the option", name("force")));
}

Result<Asked> Reading::finish() {
    KSMS_CHECK(check_presence());
    KSMS_CHECK(check_way());
    KSMS_CHECK(make_services());
    asked_.timeout = std::max<std::chrono::nanoseconds>(asked_.timeout, kShortestTimeout);
    return std::move(asked_);
}

}  // namespace ksms
