// SPDX-License-Identifier: BSD-2-Clause
#include "config/config.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "base/nearest.hpp"
#include "config/json_lines.hpp"
#include "config/parse_json.hpp"
#include "config/read_file.hpp"

namespace ksms {
namespace {

using nlohmann::json;

constexpr const char* kDefaultFile = "/etc/ksms/config.json";
constexpr std::uint64_t kYear = 365 * 24 * 3600;

/// Reads values out of a document and says what is wrong by key and line.
class Reader {
public:
    Reader(std::string_view text, const std::string& name) : name_(name), lines_(text) {}

    std::unexpected<Error> wrong(const std::string& path, const std::string& why,
                                 std::string hint = {}) const {
        return fail(Code::usage, fmt::format("{}:{}: {}: {}", name_, lines_.of(path), path, why),
                    std::move(hint));
    }
    Status twice() const {
        if (lines_.repeated().empty()) return {};
        const auto& [path, line] = lines_.repeated().front();
        return fail(Code::usage, fmt::format("{}:{}: {}: is given twice, first on line {}", name_,
                                             line, path, lines_.of(path)));
    }
    Status object(const json& parent, const std::string& key, json& into) const {
        into = json::object();
        if (!parent.contains(key)) return {};
        if (!parent[key].is_object()) return wrong(key, "not an object");
        into = parent[key];
        return {};
    }
    Status boolean(const json& parent, const std::string& section, const char* key,
                   bool& into) const {
        if (!parent.contains(key)) return {};
        if (!parent[key].is_boolean()) return wrong(section + key, "neither true nor false");
        into = parent[key].get<bool>();
        return {};
    }
    template <typename T>
    Status number(const json& parent, const std::string& section, const char* key,
                  std::uint64_t least, std::uint64_t most, T& into) const {
        if (!parent.contains(key)) return {};
        const auto& value = parent[key];
        if (!in_range(value, least, most))
            return wrong(section + key, fmt::format("{} is not a whole number from {} to {}",
                                                    value.dump(), least, most));
        into = static_cast<T>(value.get<std::uint64_t>());
        return {};
    }
    Status absolute_path(const json& parent, const std::string& section, const char* key,
                         std::string& into) const {
        if (!parent.contains(key)) return {};
        const auto& value = parent[key];
        constexpr std::size_t kLongest = 100;  // a Unix socket's name has 107 bytes (unix(7))
        if (!value.is_string() || !value.get<std::string>().starts_with('/') ||
            value.get<std::string>().size() > kLongest ||
            value.get<std::string>().find('\0') != std::string::npos)
            return wrong(section + key, fmt::format("{} is no absolute path of at most {} bytes",
                                                    value.dump(), kLongest));
        into = value.get<std::string>();
        return {};
    }
    Result<std::vector<std::string>> texts(const json& parent, const std::string& section,
                                           const char* key) const {
        std::vector<std::string> texts;
        if (!parent.contains(key)) return texts;
        const auto& list = parent[key];
        if (!list.is_array() || list.empty())
            return wrong(section + key, "not a list of texts with one in it");
        for (const auto& text : list) {
            if (!text.is_string()) return wrong(section + key, text.dump() + " is not a text");
            texts.push_back(text.get<std::string>());
            // fnmatch(3) and the like would see a part of it.
            if (texts.back().find('\0') != std::string::npos)
                return wrong(section + key, text.dump() + " has a NUL in it");
        }
        return texts;
    }
    static bool in_range(const json& value, std::uint64_t least, std::uint64_t most) {
        return value.is_number_unsigned() && value.get<std::uint64_t>() >= least &&
               value.get<std::uint64_t>() <= most;
    }
    Status known(const json& object, const std::string& section,
                 std::span<const std::string> keys) const {
        for (const auto& [key, value] : object.items())
            if (std::ranges::find(keys, key) == keys.end())
                return wrong(section + key, "there is no such key", did_you_mean(key, keys));
        return {};
    }
    [[nodiscard]] std::size_t line(const std::string& path) const { return lines_.of(path); }

private:
    std::string name_;
    JsonLines lines_;
};

Status read_registry(const Reader& read, const json& root, Config& config) {
    json section;
    KSMS_CHECK(read.object(root, "dscp_registry", section));
    static const std::array<std::string, 6> keys{"enabled",          "dscp_range_min",
                                                 "dscp_range_max",   "max_concurrent_jobs",
                                                 "cleanup_interval", "allocation_timeout"};
    const std::string path = "dscp_registry.";
    KSMS_CHECK(read.known(section, path, keys));
    auto timeout = std::chrono::floor<std::chrono::seconds>(config.limits.ttl);
    auto& limits = config.limits;
    KSMS_CHECK(read.boolean(section, path, "enabled", config.registry_enabled));
    KSMS_CHECK(read.number(section, path, "dscp_range_min", 0, 63, limits.dscp_min));
    KSMS_CHECK(read.number(section, path, "dscp_range_max", 0, 63, limits.dscp_max));
    KSMS_CHECK(read.number(section, path, "max_concurrent_jobs", 1, 64, limits.max_jobs));
    KSMS_CHECK(read.number(section, path, "allocation_timeout", 1, kYear, timeout));
    KSMS_CHECK(read.number(section, path, "cleanup_interval", 1, kYear, config.cleanup_interval));
    limits.ttl = timeout;
    if (limits.dscp_min > limits.dscp_max) {
        const auto* key = section.contains("dscp_range_min") ? "dscp_range_min" : "dscp_range_max";
        return read.wrong(path + key, fmt::format("the range {}-{} is backwards", limits.dscp_min,
                                                  limits.dscp_max));
    }
    // One DSCP for all, one job after the other.
    if (!config.registry_enabled) {
        limits.dscp_max = limits.dscp_min;
        limits.max_jobs = 1;
    }
    return {};
}

/// "10.0.0.0/8", or an address alone.
std::optional<Prefix> prefix_of(const std::string& text) {
    const auto slash = text.find('/');
    const auto address = Address::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    const unsigned most = address->size() * 8;
    if (slash == std::string::npos) return Prefix{*address, static_cast<std::uint8_t>(most)};
    unsigned length = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, failed] = std::from_chars(text.data() + slash + 1, end, length);
    if (failed != std::errc() || rest != end || length > most) return std::nullopt;
    return Prefix{*address, static_cast<std::uint8_t>(length)};
}

Status read_allowance(const Reader& read, const json& parent, Allowance& allow) {
    if (!parent.contains("allow")) return {};
    const auto& section = parent["allow"];
    const std::string path = "ksms.allow.";
    if (!section.is_object()) return read.wrong("ksms.allow", "not an object");
    static const std::array<std::string, 4> keys{"namespaces", "sources", "rate", "isolated"};
    KSMS_CHECK(read.known(section, path, keys));
    KSMS_CHECK(read.boolean(section, path, "isolated", allow.isolated));
    KSMS_CHECK(read.number(section, path, "rate", 1, 1'000'000'000, allow.rate_pps));
    KSMS_TRY(allow.namespaces, read.texts(section, path, "namespaces"));
    KSMS_TRY(const auto sources, read.texts(section, path, "sources"));
    for (const auto& text : sources) {
        const auto prefix = prefix_of(text);
        if (!prefix)
            return read.wrong(path + "sources",
                              fmt::format("'{}' is not an address or a prefix", text));
        allow.sources.push_back(*prefix);
    }
    return {};
}

Status read_service(const Reader& read, const json& section, ServiceConfig& service) {
    const std::string path = "ksms.";
    constexpr std::uint64_t kMost = 1'000'000;
    KSMS_CHECK(read.absolute_path(section, path, "state_directory", service.state_directory));
    KSMS_CHECK(read.absolute_path(section, path, "socket", service.socket));
    KSMS_CHECK(read.number(section, path, "http_port", 0, 65'535, service.http_port));
    KSMS_CHECK(read.number(section, path, "keep_seconds", 60, kYear, service.keep_for));
    KSMS_CHECK(read.number(section, path, "keep_jobs", 1, kMost, service.keep_jobs));
    KSMS_CHECK(read.number(section, path, "max_queued", 1, kMost, service.max_queued));
    KSMS_CHECK(read.number(section, path, "max_queued_user", 1, kMost, service.max_queued_user));
    KSMS_CHECK(read.number(section, path, "keep_bytes", 1'000'000, std::uint64_t{1} << 50,
                           service.keep_bytes));
    KSMS_CHECK(read.number(section, path, "max_parallel_user", 1, 64, service.max_parallel_user));
    KSMS_CHECK(read.number(section, path, "submit_rate_user", 1, 10'000, service.submit_rate_user));
    return read_allowance(read, section, service.allow);
}

Status read_excluded(const Reader& read, const json& section, RegistryLimits& limits) {
    if (!section.contains("dscp_exclude")) return {};
    const auto& list = section["dscp_exclude"];
    if (!list.is_array()) return read.wrong("ksms.dscp_exclude", "not a list of DSCPs");
    for (const auto& value : list) {
        if (!Reader::in_range(value, 0, 63))
            return read.wrong("ksms.dscp_exclude",
                              value.dump() + " is not a whole number from 0 to 63");
        limits.excluded |= std::uint64_t{1} << value.get<unsigned>();
    }
    if (range_mask(limits) != 0) return {};
    return read.wrong("ksms.dscp_exclude",
                      fmt::format("leaves none of {}-{}", limits.dscp_min, limits.dscp_max));
}

/// What users who are not root may have of the registry.
Status read_members(const Reader& read, const json& section, RegistryLimits& limits) {
    const std::string path = "ksms.";
    const auto usual = std::chrono::floor<std::chrono::seconds>(limits.ttl);
    auto longest = std::max(std::chrono::floor<std::chrono::seconds>(limits.longest), usual);
    std::uint32_t reserve = root_reserve(limits);
    KSMS_CHECK(read.number(section, path, "root_reserve", 0, capacity(limits) - 1, reserve));
    KSMS_CHECK(read.number(section, path, "max_leases_user", 1, KSMS_DSCPS, limits.user_leases));
    KSMS_CHECK(read.number(section, path, "max_waiting_user", 1, KSMS_WAITERS - KSMS_ROOT_WAITERS,
                           limits.user_waiters));
    KSMS_CHECK(read.number(section, path, "max_ttl", 1, kYear, longest));
    if (longest < usual)
        return read.wrong("ksms.max_ttl",
                          fmt::format("{} is less than dscp_registry.allocation_timeout, {}",
                                      longest.count(), usual.count()));
    limits.root_reserve = reserve;
    limits.longest = longest;
    return {};
}

Status read_own(const Reader& read, const json& root, Config& config) {
    json section;
    KSMS_CHECK(read.object(root, "ksms", section));
    static const std::array<std::string, 17> keys{"dscp_exclude",
                                                  "utilization_warning",
                                                  "state_directory",
                                                  "socket",
                                                  "http_port",
                                                  "keep_seconds",
                                                  "keep_jobs",
                                                  "keep_bytes",
                                                  "max_queued",
                                                  "max_queued_user",
                                                  "max_parallel_user",
                                                  "submit_rate_user",
                                                  "allow",
                                                  "max_ttl",
                                                  "root_reserve",
                                                  "max_leases_user",
                                                  "max_waiting_user"};
    KSMS_CHECK(read.known(section, "ksms.", keys));
    KSMS_CHECK(read_service(read, section, config.service));
    KSMS_CHECK(read_excluded(read, section, config.limits));
    KSMS_CHECK(read_members(read, section, config.limits));
    if (section.contains("utilization_warning")) {
        const auto& value = section["utilization_warning"];
        if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > 1)
            return read.wrong("ksms.utilization_warning",
                              value.dump() + " is not a number from 0 to 1");
        config.utilization_warning = value.get<double>();
    }
    return {};
}

/// The file may be another application's, which has many: one line for all of them, those first
/// that are nearly one of ours.
void warn_of_foreign_keys(const Reader& read, const json& root, const std::string& name,
                          Config& config) {
    constexpr std::size_t most_named = 3;
    static const std::array<std::string, 4> keys{"dscp_registry", "ksms", "ksms_parallel_execution",
                                                 "max_parallel_fast_jobs"};
    std::vector<std::string> misspelt, foreign;
    for (const auto& [key, value] : root.items()) {
        if (std::ranges::find(keys, key) != keys.end()) continue;
        const auto hint = did_you_mean(key, keys);
        if (hint.empty())
            foreign.push_back(key);
        else
            misspelt.push_back(fmt::format("{} (line {}: {})", key, read.line(key), hint));
    }
    const auto all = misspelt.size() + foreign.size();
    if (all == 0) return;
    if (foreign.size() > most_named) {
        const auto more = foreign.size() - most_named;
        foreign.resize(most_named);
        foreign.push_back(fmt::format("{} more", more));
    }
    misspelt.insert(misspelt.end(), foreign.begin(), foreign.end());
    config.warnings.push_back(fmt::format("{}: not {} of ksms, passed over: {}", name,
                                          all == 1 ? "a key" : "keys", fmt::join(misspelt, ", ")));
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& name) {
    KSMS_TRY(const auto root, parse_json(text, name));
    if (!root.is_object()) return fail(Code::usage, name + ":1: not a JSON object");
    const Reader read(text, name);
    KSMS_CHECK(read.twice());
    Config config;
    KSMS_CHECK(read_registry(read, root, config));
    KSMS_CHECK(read_own(read, root, config));
    KSMS_CHECK(read.boolean(root, "", "ksms_parallel_execution", config.parallel_execution));
    KSMS_CHECK(
        read.number(root, "", "max_parallel_fast_jobs", 1, 64, config.max_parallel_fast_jobs));
    warn_of_foreign_keys(read, root, name, config);
    return config;
}

Result<Config> load_config(const std::string& option) {
    const std::string path = option.empty() ? kDefaultFile : option;
    auto text = read_file(path,
                          "--config names a JSON file that can be read; without it "
                          "/etc/ksms/config.json is read where there is one");
    if (!text && option.empty() && text.error().err == ENOENT) return Config{};
    if (!text) return std::unexpected(std::move(text).error());
    return parse_config(*text, path);
}

}  // namespace ksms
