// SPDX-License-Identifier: BSD-2-Clause
#include "route/classes.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>
#include <utility>

namespace ksms {
namespace {

/// Of a set of questions: the sum without carry of one number for each, so that two sets with the
/// same sign are the same but for a chance of 2^-128.
using Sign = std::pair<std::uint64_t, std::uint64_t>;

void toggle(Sign& sign, const Sign& other) {
    sign.first ^= other.first;
    sign.second ^= other.second;
}

/// Sorted, without overlaps: what stands in two spans would count twice.
std::vector<PortSpan> joined(std::vector<PortSpan> spans) {
    std::erase_if(spans, [](const PortSpan& span) { return span.first > span.last; });
    std::ranges::sort(spans);
    std::vector<PortSpan> result;
    for (const auto& span : spans)
        if (!result.empty() && span.first <= result.back().last + 1)
            result.back().last = std::max(result.back().last, span.last);
        else
            result.push_back(span);
    return result;
}

std::vector<PortSpan> ports_of(const RoutingRule& rule) {
    if (rule.port_mask == 0xffff) return {{rule.port_first, rule.port_last}};
    std::vector<PortSpan> ports;
    for (std::uint32_t port = 1; port <= 65535; ++port)
        if (((port ^ rule.port_first) & rule.port_mask) == 0)
            ports.push_back({static_cast<std::uint16_t>(port), static_cast<std::uint16_t>(port)});
    return joined(std::move(ports));
}

/// Intervals of the ports of one protocol, each with the sign of the questions that have it.
class Intervals {
public:
    void add(const std::vector<PortSpan>& spans, const Sign& sign) {
        for (const auto& span : spans) {
            toggle(signs_[span.first], sign);
            toggle(signs_[std::uint32_t{span.last} + 1], sign);
        }
    }
    /// Once, when all are added.
    void sum_up() {
        Sign sum{};
        for (auto& [port, sign] : signs_) {
            toggle(sum, sign);
            sign = sum;
            begins_.push_back(port);
            sums_.push_back(sum);
        }
    }
    [[nodiscard]] Sign of(std::uint16_t port) const {
        const auto behind = std::ranges::upper_bound(begins_, std::uint32_t{port});
        return behind == begins_.begin()
                   ? Sign{}
                   : sums_[static_cast<std::size_t>(behind - begins_.begin()) - 1];
    }

private:
    std::map<std::uint32_t, Sign> signs_;
    std::vector<std::uint32_t> begins_;
    std::vector<Sign> sums_;
};

}  // namespace

bool ServiceClasses::refine(PortQuestion question) {
    question.ports = joined(std::move(question.ports));
    return !question.ports.empty() && questions_.insert(std::move(question)).second;
}

bool ServiceClasses::refine(const std::vector<RoutingRule>& rules) {
    bool finer = false;
    for (const auto& rule : rules)
        if (rule.port_last != 0) finer |= refine(PortQuestion{rule.protocol, ports_of(rule)});
    return finer;
}

void ServiceClasses::refine(const std::vector<PortQuestion>& questions) {
    for (const auto& question : questions) refine(question);
}

std::vector<std::uint32_t> ServiceClasses::classes() const {
    std::mt19937_64 random(std::random_device{}());
    std::map<std::uint8_t, Intervals> of_protocol{{IPPROTO_TCP, {}}, {IPPROTO_UDP, {}}};
    for (const auto& question : questions_) {
        const Sign sign{random(), random()};
        for (auto& [protocol, intervals] : of_protocol)
            if (question.protocol == 0 || question.protocol == protocol)
                intervals.add(question.ports, sign);
    }
    for (auto& [protocol, intervals] : of_protocol) intervals.sum_up();
    std::vector<std::uint32_t> result;
    result.reserve(services_.size());
    std::map<std::pair<std::uint8_t, Sign>, std::uint32_t> numbers;
    for (const auto& [protocol, port] : services_) {
        const auto sign = of_protocol[protocol].of(port);
        const auto next = static_cast<std::uint32_t>(numbers.size());
        result.push_back(numbers.try_emplace({protocol, sign}, next).first->second);
    }
    return result;
}

}  // namespace ksms
