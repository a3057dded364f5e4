// SPDX-License-Identifier: BSD-2-Clause
#include "request/ports.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <optional>
#include <set>

#include "base/nearest.hpp"
#include "base/service_names.hpp"
#include "base/text.hpp"

namespace ksms {
namespace {

constexpr std::uint32_t kLastPort = 65535;
constexpr std::size_t kQuoted = 40;  // bytes of an element that a message repeats
constexpr const char* kHowTo =
    "ports are written 80, 443/tcp, 8000-8005/tcp, T:22,U:53, - (all) or by name";

std::string_view stripped(std::string_view text) {
    return trimmed(text, " \t\r\n");
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

std::string quote(std::string_view text) {
    std::string result(text.substr(0, kQuoted));
    for (char& c : result)
        if (c < 0x20 || c == 0x7f) c = '?';
    return "\"" + result + (text.size() > kQuoted ? "…\"" : "\"");
}

std::unexpected<Error> wrong(std::string_view element, std::string_view why,
                             std::string hint = kHowTo) {
    return fail(Code::usage, fmt::format("{} in the port list: {}", quote(element), why),
                std::move(hint));
}

bool is_digits(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// "22 - 25" -> "22-25"
std::string without_blanks_at_dash(std::string_view what) {
    const auto dash = what.find('-');
    if (dash == std::string_view::npos) return std::string(what);
    const auto from = stripped(what.substr(0, dash)), to = stripped(what.substr(dash + 1));
    return std::string(from) + "-" + std::string(to);
}

/// "80", "22-25", "22-", "-25", "-": digits and at most one dash.
bool looks_numeric(std::string_view what) {
    const auto dash = what.find('-');
    if (what.empty()) return false;
    if (dash == std::string_view::npos) return is_digits(what);
    return is_digits(what.substr(0, dash)) && is_digits(what.substr(dash + 1));
}

/// The text with letters that look like digits replaced by these; "" if that is no number.
std::string letters_as_digits(std::string_view what) {
    std::string result(what);
    for (char& c : result) {
        if (c == 'O' || c == 'o') c = '0';
        if (c == 'l' || c == 'I') c = '1';
    }
    const bool has_digit = what.find_first_of("0123456789") != std::string_view::npos;
    return has_digit && result != what && looks_numeric(result) ? result : std::string();
}

Result<std::uint32_t> port_number(std::string_view element, std::string_view digits) {
    std::uint32_t port = kLastPort + 1;  // for a number that does not fit
    std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (port == 0) return wrong(element, "port 0 cannot be probed, ports are 1 to 65535");
    if (port > kLastPort)
        return wrong(element, fmt::format("{} is above 65535, ports are 1 to 65535",
                                          digits.substr(0, kQuoted)));
    return port;
}

struct Range {
    std::uint8_t protocol{0};
    std::uint32_t first{0}, last{0};
    auto operator<=>(const Range&) const = default;
};

Result<Range> numeric_range(std::string_view element, std::string_view what,
                            std::uint8_t protocol) {
    const auto dash = what.find('-');
    if (dash == std::string_view::npos) {
        KSMS_TRY(const auto port, port_number(element, what));
        return Range{protocol, port, port};
    }
    Range range{protocol, 1, kLastPort};
    const auto from = what.substr(0, dash), to = what.substr(dash + 1);
    if (!from.empty()) {
        KSMS_TRY(range.first, port_number(element, from));
    }
    if (!to.empty()) {
        KSMS_TRY(range.last, port_number(element, to));
    }
    if (range.first > range.last)
        return wrong(element, "the range is backwards",
                     fmt::format("did you mean {}-{}?", range.last, range.first));
    return range;
}

/// The error for an element that is a protocol of protocols(5).
/// @return none if it is not a protocol
std::optional<Error> about_protocol(std::string_view element, const std::string& name) {
    if (name == "tcp" || name == "udp")
        return wrong(element, name + " is a protocol; name a port",
                     fmt::format("80/{0}, or {1}:- for all of its ports", name,
                                 name == "tcp" ? "T" : "U"))
            .error();
    static constexpr std::array<std::string_view, 6> known{"icmp", "icmpv6", "sctp",
                                                           "gre",  "esp",    "proto"};
    constexpr std::size_t longest = 32;
    const bool protocol = std::ranges::find(known, name) != known.end() ||
                          (name.size() <= longest && ::getprotobyname(name.c_str()) != nullptr);
    if (!protocol) return std::nullopt;
    return wrong(element,
                 "only TCP and UDP ports are probed; services of other protocols "
                 "(icmp, sctp, gre, …) are not supported yet",
                 kHowTo)
        .error();
}

/// @param said  the protocol of the element or its prefix
Result<Range> named(std::string_view element, std::string_view what,
                    std::optional<std::uint8_t> said, std::uint8_t default_protocol) {
    const auto& database = ServiceNames::get();
    auto found = database.by_name.find(std::string(what));
    if (found == database.by_name.end()) found = database.by_name.find(lower(what));
    if (found == database.by_name.end()) {
        if (const auto digits = letters_as_digits(what); !digits.empty())
            return wrong(element, "a letter stands where a digit should",
                         fmt::format("did you mean {}?", digits));
        if (what.find_first_of(" \t\r\n;") != std::string_view::npos)
            return wrong(element, "no port and no service name",
                         "elements are separated by commas");
        if (auto error = about_protocol(element, lower(stripped(what.substr(0, what.find(':'))))))
            return std::unexpected(std::move(*error));
        const auto hint = did_you_mean(lower(what), database.names);
        return wrong(element, fmt::format("the services database has no {}", quote(what)),
                     hint.empty() ? kHowTo : hint);
    }
    const auto& services = found->second;
    const auto wanted =
        std::ranges::find(services, said.value_or(default_protocol), &Service::protocol);
    const Service service = wanted == services.end() ? services.front() : *wanted;
    return Range{said.value_or(service.protocol), service.port, service.port};
}

/// Parses the elements in order and keeps the last prefix.
class Parser {
public:
    explicit Parser(std::uint8_t default_protocol) : default_(default_protocol) {}

    Status element(std::string_view text) {
        auto what = text;
        if (what.size() >= 2 && what[1] == ':') {
            const char letter = lower(what.substr(0, 1)).front();
            if (letter != 't' && letter != 'u')
                return wrong(text, "the prefix is neither T: nor U:");
            prefix_ = letter == 't' ? IPPROTO_TCP : IPPROTO_UDP;
            what = stripped(what.substr(2));
            if (what.empty()) return {};
        }
        auto said = prefix_;
        if (const auto slash = what.find('/'); slash != std::string_view::npos) {
            const auto protocol = lower(stripped(what.substr(slash + 1)));
            if (protocol != "tcp" && protocol != "udp") return unknown_protocol(text, protocol);
            said = protocol == "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
            what = stripped(what.substr(0, slash));
            if (what.empty()) return wrong(text, "there is no port before the slash");
        }
        const auto numeric = without_blanks_at_dash(what);
        const auto range = looks_numeric(numeric)
                               ? numeric_range(text, numeric, said.value_or(default_))
                               : named(text, what, said, default_);
        if (!range) return std::unexpected(range.error());
        add(*range);
        return {};
    }

    /// The size of the longest range.
    [[nodiscard]] std::size_t longest_range() const {
        std::size_t longest = 0;
        for (const auto& range : ranges_)
            longest = std::max<std::size_t>(longest, range.last - range.first + 1);
        return longest;
    }

    std::vector<Service> services;

private:
    static Status unknown_protocol(std::string_view text, const std::string& protocol) {
        static const std::array<std::string, 2> known{"tcp", "udp"};
        if (protocol.empty()) return wrong(text, "there is no protocol behind the slash");
        if (auto error = about_protocol(text, protocol)) return std::unexpected(std::move(*error));
        const auto hint = did_you_mean(protocol, known);
        return wrong(text, fmt::format("{} is no protocol, it is tcp or udp", quote(protocol)),
                     hint.empty() ? kHowTo : hint);
    }

    void add(const Range& range) {
        if (!ranges_.insert(range).second) return;
        auto& seen = seen_[range.protocol == IPPROTO_TCP ? 0 : 1];
        for (auto port = range.first; port <= range.last; ++port) {
            if (seen[port]) continue;
            seen[port] = true;
            services.push_back({range.protocol, static_cast<std::uint16_t>(port)});
        }
    }

    std::uint8_t default_;
    std::optional<std::uint8_t> prefix_;
    std::set<Range> ranges_;  ///< a list may repeat "-" thousands of times
    std::array<std::bitset<kLastPort + 1>, 2> seen_;
};

Status read_elements(std::string_view spec, Parser& parser) {
    for (std::size_t at = 0; at <= spec.size();) {
        const auto comma = std::min(spec.find(',', at), spec.size());
        const auto element = stripped(spec.substr(at, comma - at));
        if (!element.empty()) KSMS_CHECK(parser.element(element));
        at = comma + 1;
    }
    return {};
}

}  // namespace

Result<std::vector<Service>> parse_ports(std::string_view spec, std::uint8_t default_protocol) {
    Parser parser(default_protocol);
    KSMS_CHECK(read_elements(spec, parser));
    if (parser.services.empty()) return fail(Code::usage, "the port list is empty", kHowTo);
    return std::move(parser.services);
}

Result<std::size_t> longest_range(std::string_view spec) {
    Parser parser(IPPROTO_TCP);
    KSMS_CHECK(read_elements(spec, parser));
    return parser.longest_range();
}

std::vector<Service> exclude(const std::vector<Service>& services,
                             const std::vector<Service>& excluded) {
    const std::set<Service> without(excluded.begin(), excluded.end());
    std::vector<Service> left;
    std::ranges::copy_if(services, std::back_inserter(left),
                         [&](const Service& service) { return !without.contains(service); });
    return left;
}

}  // namespace ksms
