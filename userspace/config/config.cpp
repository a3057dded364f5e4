// SPDX-License-Identifier: BSD-2-Clause
#include "config/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "base/nearest.hpp"
#include "base/text.hpp"
#include "config/json_lines.hpp"
#include "config/parse_json.hpp"
#include "config/read_file.hpp"

namespace ksms {
namespace {

using nlohmann::json;

constexpr const char* kDefaultFile = "/etc/ksms/config.json";
constexpr std::uint64_t kYear = 365 * 24 * 3600;

bool in_range(const json& value, std::uint64_t least, std::uint64_t most) {
    return value.is_number_unsigned() && value.get<std::uint64_t>() >= least &&
           value.get<std::uint64_t>() <= most;
}

/// The text of a file, for messages: they name it and the line of a key.
struct Source {
    std::string name;
    JsonLines lines;

    std::unexpected<Error> wrong(const std::string& path, const std::string& why,
                                 std::string hint = {}) const {
        return fail(Code::usage, fmt::format("{}:{}: {}: {}", name, lines.of(path), path, why),
                    std::move(hint));
    }
};

/// An object of the file. A key that nobody has asked for is unknown.
class Section {
public:
    /// @param prefix  of its keys in messages: "ksms."
    Section(const Source& source, json object, std::string prefix)
        : source_(source), object_(std::move(object)), prefix_(std::move(prefix)) {}

    std::unexpected<Error> wrong(const std::string& key, const std::string& why,
                                 std::string hint = {}) const {
        return source_.wrong(prefix_ + key, why, std::move(hint));
    }
    /// @return nullptr if the key is missing
    const json* find(const char* key) {
        known_.emplace_back(key);
        const auto found = object_.find(key);
        return found == object_.end() ? nullptr : &*found;
    }
    /// Empty if the key is missing.
    Result<Section> section(const char* key) {
        const auto* value = find(key);
        if (value != nullptr && !value->is_object()) return wrong(key, "not an object");
        return Section(source_, value == nullptr ? json::object() : *value, prefix_ + key + ".");
    }
    Status boolean(const char* key, bool& into) {
        const auto* value = find(key);
        if (value == nullptr) return {};
        if (!value->is_boolean()) return wrong(key, "neither true nor false");
        into = value->get<bool>();
        return {};
    }
    template <typename T>
    Status number(const char* key, std::uint64_t least, std::uint64_t most, T& into) {
        const auto* value = find(key);
        if (value == nullptr) return {};
        if (!in_range(*value, least, most))
            return wrong(key, fmt::format("{} is not a whole number from {} to {}", value->dump(),
                                          least, most));
        into = static_cast<T>(value->get<std::uint64_t>());
        return {};
    }
    Status absolute_path(const char* key, std::string& into) {
        const auto* value = find(key);
        if (value == nullptr) return {};
        constexpr std::size_t kLongest =
            100;  // the path of a Unix socket has at most 107 (unix(7))
        const auto path = value->is_string() ? value->get<std::string>() : std::string();
        if (!path.starts_with('/') || path.size() > kLongest || path.find('\0') != path.npos)
            return wrong(key, fmt::format("{} is no absolute path of at most {} bytes",
                                          value->dump(), kLongest));
        into = path;
        return {};
    }
    Status texts(const char* key, std::vector<std::string>& into) {
        const auto* list = find(key);
        if (list == nullptr) return {};
        if (!list->is_array() || list->empty())
            return wrong(key, "not a list of texts with one in it");
        for (const auto& text : *list) {
            if (!text.is_string()) return wrong(key, text.dump() + " is not a text");
            into.push_back(text.get<std::string>());
            // fnmatch(3) would stop there.
            if (into.back().find('\0') != std::string::npos)
                return wrong(key, text.dump() + " has a NUL in it");
        }
        return {};
    }
    /// After all keys were read: an error for an unknown one.
    Status finish() const {
        for (const auto& [key, value] : object_.items())
            if (std::ranges::find(known_, key) == known_.end())
                return wrong(key, "there is no such key", did_you_mean(key, known_));
        return {};
    }
    [[nodiscard]] const json& object() const { return object_; }
    [[nodiscard]] const std::vector<std::string>& known() const { return known_; }

private:
    const Source& source_;
    json object_;
    std::string prefix_;
    std::vector<std::string> known_;
};

Status read_registry(Section section, Config& config) {
    auto& limits = config.limits;
    auto timeout = std::chrono::floor<std::chrono::seconds>(limits.ttl);
    KSMS_CHECK(section.boolean("enabled", config.registry_enabled));
    KSMS_CHECK(section.number("dscp_range_min", 0, 63, limits.dscp_min));
    KSMS_CHECK(section.number("dscp_range_max", 0, 63, limits.dscp_max));
    KSMS_CHECK(section.number("max_concurrent_jobs", 1, 64, limits.max_jobs));
    KSMS_CHECK(section.number("allocation_timeout", 1, kYear, timeout));
    KSMS_CHECK(section.number("cleanup_interval", 1, kYear, config.cleanup_interval));
    KSMS_CHECK(section.finish());
    limits.ttl = timeout;
    if (limits.dscp_min > limits.dscp_max) {
        const bool has_min = section.object().contains("dscp_range_min");
        return section.wrong(
            has_min ? "dscp_range_min" : "dscp_range_max",
            fmt::format("the range {}-{} is backwards", limits.dscp_min, limits.dscp_max));
    }
    // One DSCP for all jobs, which run one after the other.
    if (!config.registry_enabled) {
        limits.dscp_max = limits.dscp_min;
        limits.max_jobs = 1;
    }
    return {};
}

/// "10.0.0.0/8" or a single address.
std::optional<Prefix> prefix_of(const std::string& text) {
    const auto slash = text.find('/');
    const auto address = Address::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    const unsigned most = address->size() * 8;
    if (slash == std::string::npos) return Prefix{*address, static_cast<std::uint8_t>(most)};
    const auto length = parse_number<unsigned>(text.substr(slash + 1));
    if (!length || *length > most) return std::nullopt;
    return Prefix{*address, static_cast<std::uint8_t>(*length)};
}

Status read_allowance(Section section, Allowance& allow) {
    std::vector<std::string> sources;
    KSMS_CHECK(section.boolean("isolated", allow.isolated));
    KSMS_CHECK(section.number("rate", 1, 1'000'000'000, allow.rate_pps));
    KSMS_CHECK(section.texts("namespaces", allow.namespaces));
    KSMS_CHECK(section.texts("sources", sources));
    for (const auto& text : sources) {
        const auto prefix = prefix_of(text);
        if (!prefix)
            return section.wrong("sources",
                                 fmt::format("'{}' is not an address or a prefix", text));
        allow.sources.push_back(*prefix);
    }
    return section.finish();
}

Status read_service(Section& section, ServiceConfig& service) {
    constexpr std::uint64_t kMost = 1'000'000;
    constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 50;
    KSMS_CHECK(section.absolute_path("state_directory", service.state_directory));
    KSMS_CHECK(section.absolute_path("socket", service.socket));
    KSMS_CHECK(section.number("http_port", 0, 65'535, service.http_port));
    KSMS_CHECK(section.number("keep_seconds", 60, kYear, service.keep_for));
    KSMS_CHECK(section.number("keep_jobs", 1, kMost, service.keep_jobs));
    KSMS_CHECK(section.number("max_queued", 1, kMost, service.max_queued));
    KSMS_CHECK(section.number("max_queued_user", 1, kMost, service.max_queued_user));
    KSMS_CHECK(section.number("keep_bytes", 1'000'000, kMostBytes, service.keep_bytes));
    KSMS_CHECK(section.number("max_parallel_user", 1, 64, service.max_parallel_user));
    KSMS_CHECK(section.number("submit_rate_user", 1, 10'000, service.submit_rate_user));
    KSMS_TRY(auto allow, section.section("allow"));
    return read_allowance(std::move(allow), service.allow);
}

Status read_excluded(Section& section, RegistryLimits& limits) {
    const auto* list = section.find("dscp_exclude");
    if (list == nullptr) return {};
    if (!list->is_array()) return section.wrong("dscp_exclude", "not a list of DSCPs");
    for (const auto& value : *list) {
        if (!in_range(value, 0, 63))
            return section.wrong("dscp_exclude",
                                 value.dump() + " is not a whole number from 0 to 63");
        limits.excluded |= std::uint64_t{1} << value.get<unsigned>();
    }
    if (range_mask(limits) != 0) return {};
    return section.wrong("dscp_exclude",
                         fmt::format("leaves none of {}-{}", limits.dscp_min, limits.dscp_max));
}

/// The registry's limits for users other than root.
Status read_members(Section& section, RegistryLimits& limits) {
    const auto usual = std::chrono::floor<std::chrono::seconds>(limits.ttl);
    auto longest = std::max(std::chrono::floor<std::chrono::seconds>(limits.longest), usual);
    std::uint32_t reserve = root_reserve(limits);
    KSMS_CHECK(section.number("root_reserve", 0, capacity(limits) - 1, reserve));
    KSMS_CHECK(section.number("max_leases_user", 1, KSMS_DSCPS, limits.user_leases));
    KSMS_CHECK(section.number("max_waiting_user", 1, KSMS_WAITERS - KSMS_ROOT_WAITERS,
                              limits.user_waiters));
    KSMS_CHECK(section.number("max_ttl", 1, kYear, longest));
    if (longest < usual)
        return section.wrong("max_ttl",
                             fmt::format("{} is less than dscp_registry.allocation_timeout, {}",
                                         longest.count(), usual.count()));
    limits.root_reserve = reserve;
    limits.longest = longest;
    return {};
}

Status read_own(Section section, Config& config) {
    KSMS_CHECK(read_service(section, config.service));
    KSMS_CHECK(read_excluded(section, config.limits));
    KSMS_CHECK(read_members(section, config.limits));
    if (const auto* value = section.find("utilization_warning")) {
        if (!value->is_number() || value->get<double>() < 0 || value->get<double>() > 1)
            return section.wrong("utilization_warning",
                                 value->dump() + " is not a number from 0 to 1");
        config.utilization_warning = value->get<double>();
    }
    return section.finish();
}

/// The file may belong to another application and have many keys of its own: one warning for all,
/// which names misspelt keys of ours first.
void warn_of_foreign_keys(const Source& source, const Section& root, Config& config) {
    constexpr std::size_t most_named = 3;
    std::vector<std::string> misspelt, foreign;
    for (const auto& [key, value] : root.object().items()) {
        if (std::ranges::find(root.known(), key) != root.known().end()) continue;
        const auto hint = did_you_mean(key, root.known());
        if (hint.empty())
            foreign.push_back(key);
        else
            misspelt.push_back(fmt::format("{} (line {}: {})", key, source.lines.of(key), hint));
    }
    const auto all = misspelt.size() + foreign.size();
    if (all == 0) return;
    if (foreign.size() > most_named) {
        const auto more = foreign.size() - most_named;
        foreign.resize(most_named);
        foreign.push_back(fmt::format("{} more", more));
    }
    misspelt.insert(misspelt.end(), foreign.begin(), foreign.end());
    config.warnings.push_back(fmt::format("{}: not {} of ksms, passed over: {}", source.name,
                                          all == 1 ? "a key" : "keys", fmt::join(misspelt, ", ")));
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& name) {
    KSMS_TRY(auto document, parse_json(text, name));
    if (!document.is_object()) return fail(Code::usage, name + ":1: not a JSON object");
    const Source source{name, JsonLines(text)};
    if (!source.lines.repeated().empty()) {
        const auto& [path, line] = source.lines.repeated().front();
        return fail(Code::usage, fmt::format("{}:{}: {}: is given twice, first on line {}", name,
                                             line, path, source.lines.of(path)));
    }
    Section root(source, std::move(document), "");
    Config config;
    KSMS_TRY(auto registry, root.section("dscp_registry"));
    KSMS_CHECK(read_registry(std::move(registry), config));
    KSMS_TRY(auto own, root.section("ksms"));
    KSMS_CHECK(read_own(std::move(own), config));
    KSMS_CHECK(root.boolean("ksms_parallel_execution", config.parallel_execution));
    KSMS_CHECK(root.number("max_parallel_fast_jobs", 1, 64, config.max_parallel_fast_jobs));
    warn_of_foreign_keys(source, root, config);
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
