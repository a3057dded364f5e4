// SPDX-License-Identifier: BSD-2-Clause
// GET /metrics of a real ksmsd against docs/metrics.md, which the dashboard and the alerts are held
// against.
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "lab/chain.hpp"
#include "lab/service.hpp"

namespace {

using namespace ksms::lab;

struct Metric {
    std::string type;
    std::set<std::string> labels;
    bool operator==(const Metric&) const = default;
};
using Metrics = std::map<std::string, Metric>;

std::set<std::string> words(const std::string& text, const std::regex& each) {
    std::set<std::string> found;
    for (std::sregex_iterator at(text.begin(), text.end(), each), end; at != end; ++at)
        found.insert((*at)[1]);
    return found;
}

/// Rows "| `name` | type | `label`: `value`, …; `label` | meaning |".
Metrics documented() {
    static const std::regex row(R"(^\| `(\w+)` \| (\w+) \|([^|]*)\|)");
    static const std::regex label("(?:^|;) *`(\\w+)`");
    Metrics metrics;
    std::ifstream file(KSMS_SOURCE_DIR "/docs/metrics.md");
    for (std::string line; std::getline(file, line);)
        if (std::smatch match; std::regex_search(line, match, row))
            metrics[match[1]] = {match[2], words(match[3], label)};
    return metrics;
}

Metrics served(const std::string& text) {
    static const std::regex head(R"(^# TYPE (\w+) (\w+)$)");
    static const std::regex sample(R"(^(\w+)(?:\{(.*)\})? \S+$)");
    static const std::regex label("(\\w+)=\"");
    Metrics metrics;
    std::istringstream lines(text);
    std::string name;
    for (std::string line; std::getline(lines, line);) {
        std::smatch match;
        if (std::regex_match(line, match, head)) {
            name = match[1];
            CHECK(!metrics.contains(name));
            metrics[name].type = match[2];
        } else if (line.starts_with("# HELP")) {
            continue;
        } else {
            INFO(line);
            REQUIRE(std::regex_match(line, match, sample));
            REQUIRE(match[1].str().starts_with(name));
            auto labels = words(match[2], label);
            labels.erase("le");
            metrics[name].labels.merge(labels);
        }
    }
    return metrics;
}

}  // namespace

TEST_CASE("service: /metrics has what docs/metrics.md says, and nothing else") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start();
    const auto answer = service.curl("/metrics");
    const auto text = answer.substr(answer.find("\r\n\r\n") + 4);
    const auto there = served(text);
    const auto wanted = documented();
    REQUIRE(wanted.size() > 40);
    for (const auto& [name, metric] : wanted) {
        INFO(name);
        REQUIRE(there.contains(name));
        CHECK(there.at(name).type == metric.type);
        CHECK(there.at(name).labels == metric.labels);
    }
    for (const auto& [name, metric] : there) {
        INFO(name);
        CHECK(wanted.contains(name));
    }
    // As Prometheus reads it.
    const auto read = run({.arguments = {"promtool", "check", "metrics"}, .input = text});
    INFO(read.out << read.err);
    CHECK(read.exit == 0);
}
