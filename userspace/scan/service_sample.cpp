// SPDX-License-Identifier: BSD-2-Clause
#include "scan/service_sample.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <numeric>
#include <random>
#include <utility>

namespace ksms {
namespace {

/// Where a router translates only the address, the port is the service's own: that is one change
/// for all of them.
Change without_own_port(Change change, const Service& service) {
    if (change.destination && change.destination->port == service.port)
        change.destination->port = 0;
    return change;
}

/// The kernel sends few ICMP errors (icmp_ratelimit): which of those that are rejected hear of it
/// is chance.
bool may_be_same(const Reply& one, const Reply& other) {
    return one == other || one == Reply{} || other == Reply{};
}

bool may_be_same(Cause one, Cause other) {
    if (!may_be_same(one.reply, other.reply)) return false;
    one.reply = other.reply = {};
    return one == other;
}

/// Compares the answers of two services of one report, but for what a repeated packet or a socket
/// made of them.
class Answers {
public:
    explicit Answers(const Report& report) : report_(report) {}

    [[nodiscard]] bool agree(std::size_t one, std::size_t other) const {
        return same(report_.services, one, other) &&
               std::ranges::all_of(
                   report_.by_entry,
                   [&](const auto& entry) { return same(entry.services, one, other); }) &&
               std::ranges::all_of(report_.routers, [&](const auto& router) {
                   return same(router.services[one], router.services[other]);
               });
    }

    [[nodiscard]] bool has_reply(std::size_t service) const {
        return report_.services[service].cause.reply != Reply{} ||
               std::ranges::any_of(report_.routers, [&](const auto& router) {
                   return router.services[service].reply != Reply{};
               });
    }

private:
    [[nodiscard]] bool same(const std::vector<ServiceReport>& services, std::size_t one,
                            std::size_t other) const {
        const auto &a = services[one], &b = services[other];
        return a.result == b.result && may_be_same(a.cause, b.cause) &&
               a.arrival.by == b.arrival.by && a.arrival.reached == b.arrival.reached &&
               a.arrival.dropped == b.arrival.dropped &&
               same_list(a.changes, a.service, b.changes, b.service) &&
               same_list(a.all_changes, a.service, b.all_changes, b.service);
    }
    [[nodiscard]] bool same(const ServiceAtRouter& a, const ServiceAtRouter& b) const {
        return a.result == b.result && a.on_path == b.on_path && a.why == b.why &&
               a.stopped_by == b.stopped_by && a.dropped == b.dropped &&
               may_be_same(a.reply, b.reply) && a.text == b.text && a.iface == b.iface &&
               same_change(a.change, report_.services[a.service].service, b.change,
                           report_.services[b.service].service);
    }
    [[nodiscard]] bool same_change(std::uint32_t a, const Service& one, std::uint32_t b,
                                   const Service& other) const {
        return without_own_port(report_.changes[a], one) ==
               without_own_port(report_.changes[b], other);
    }
    [[nodiscard]] bool same_list(std::uint32_t a, const Service& one, std::uint32_t b,
                                 const Service& other) const {
        return std::ranges::equal(report_.change_lists[a], report_.change_lists[b],
                                  [&](const ChangeAt& x, const ChangeAt& y) {
                                      return x.first == y.first &&
                                             same_change(x.second, one, y.second, other);
                                  });
    }
    const Report& report_;
};

/// The changes of a report, with those of services that were not probed.
class MoreChanges {
public:
    explicit MoreChanges(Report& report) : report_(report) {
        for (std::uint32_t i = 0; i < report.changes.size(); ++i)
            numbers_.emplace(report.changes[i], i);
        for (std::uint32_t i = 0; i < report.change_lists.size(); ++i)
            list_numbers_.emplace(report.change_lists[i], i);
    }
    std::uint32_t change(std::uint32_t of, const Service& from, const Service& to) {
        const auto& destination = report_.changes[of].destination;
        if (!destination || destination->port != from.port) return of;
        auto changed = report_.changes[of];
        changed.destination->port = to.port;
        const auto [known, added] =
            numbers_.try_emplace(changed, static_cast<std::uint32_t>(report_.changes.size()));
        if (added) report_.changes.push_back(changed);
        return known->second;
    }
    std::uint32_t list(std::uint32_t of, const Service& from, const Service& to) {
        if (of == 0) return 0;
        auto list = report_.change_lists[of];
        for (auto& [router, number] : list) number = change(number, from, to);
        if (list == report_.change_lists[of]) return of;
        const auto [known, added] = list_numbers_.try_emplace(
            list, static_cast<std::uint32_t>(report_.change_lists.size()));
        if (added) report_.change_lists.push_back(std::move(list));
        return known->second;
    }

private:
    Report& report_;
    std::map<Change, std::uint32_t> numbers_;
    std::map<std::vector<ChangeAt>, std::uint32_t> list_numbers_;
};

/// That nobody listens is no answer of a class. That somebody does is worth telling.
void forget_silence(Arrival& arrival) {
    if (arrival.delivery != Delivery::unheard) return;
    arrival.delivery = Delivery::unknown;
    arrival.reply = {};
}

/// What is true of a probe, and of no other service of its class.
void forget_probe(ServiceReport& service) {
    Notes notes;
    for (std::uint8_t i = 0; i < kNotes; ++i) {
        const auto note = static_cast<Note>(i);
        const bool own = note == Note::retransmitted || note == Note::no_listener;
        if (!own && service.notes.has(note)) notes.add(note);
    }
    service.notes = notes;
    service.by_class = true;
    service.sent = 0;
    if (!service.arrival.reached) return;
    service.arrival.delivery = Delivery::unknown;
    service.arrival.reply = {};
}

void forget_probe(ServiceAtRouter& answer) {
    answer.ingress_packets = answer.ingress_bytes = 0;
    answer.egress_packets = answer.egress_bytes = 0;
    answer.strangers = 0;
}

}  // namespace

ServiceSample::ServiceSample(const std::vector<Service>& asked, std::vector<std::uint32_t> class_of,
                             const std::vector<bool>& each)
    : asked_(&asked), class_of_(std::move(class_of)) {
    auto chosen = each;
    std::vector<std::uint32_t> by_port(asked.size());
    std::iota(by_port.begin(), by_port.end(), 0U);
    if (!std::ranges::is_sorted(asked))
        std::ranges::sort(by_port, {}, [&](auto service) { return asked[service]; });
    std::vector<std::vector<std::uint32_t>> inside;  // per class: not at an end
    for (std::size_t i = 0; i < by_port.size(); ++i) {
        const auto service = by_port[i], of = class_of_[service];
        const bool begins = i == 0 || class_of_[by_port[i - 1]] != of;
        const bool ends = i + 1 == by_port.size() || class_of_[by_port[i + 1]] != of;
        if (begins || ends) chosen[service] = true;
        if (of >= inside.size()) inside.resize(std::size_t{of} + 1);
        if (!chosen[service]) inside[of].push_back(service);
    }
    std::mt19937 random(std::random_device{}());
    std::vector<std::uint32_t> some;
    for (const auto& members : inside)
        std::ranges::sample(members, std::back_inserter(some), std::bit_width(members.size()),
                            random);
    for (const auto service : some) chosen[service] = true;

    place_.assign(asked.size(), kNotThere);
    first_chosen_.assign(inside.size(), kNotThere);
    for (std::uint32_t service = 0; service < asked.size(); ++service) {
        if (!chosen[service]) continue;
        place_[service] = static_cast<std::uint32_t>(chosen_.size());
        auto& first = first_chosen_[class_of_[service]];
        if (first == kNotThere) first = place_[service];
        chosen_.push_back(service);
    }
}

std::vector<Service> ServiceSample::chosen() const {
    std::vector<Service> services;
    services.reserve(chosen_.size());
    for (const auto service : chosen_) services.push_back((*asked_)[service]);
    return services;
}

std::vector<std::uint32_t> ServiceSample::speakers_in(const Report& report) const {
    const Answers answers(report);
    auto speakers = first_chosen_;
    for (std::uint32_t i = 0; i < chosen_.size(); ++i) {
        auto& speaker = speakers[class_of_[chosen_[i]]];
        if (!answers.has_reply(speaker) && answers.has_reply(i)) speaker = i;
    }
    return speakers;
}

std::vector<bool> ServiceSample::disagreeing(const Report& report,
                                             const std::vector<std::uint32_t>& speakers) const {
    std::vector<bool> partly(first_chosen_.size(), false), found(first_chosen_.size(), false);
    for (std::size_t i = 0; i < class_of_.size(); ++i)
        if (!is_chosen(i)) partly[class_of_[i]] = true;
    const Answers answers(report);
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
        const auto of = class_of_[chosen_[i]];
        if (partly[of] && !answers.agree(speakers[of], i)) found[of] = true;
    }
    return found;
}

bool ServiceSample::add_unlike(const Report& report, std::vector<bool>& each) const {
    const auto classes = disagreeing(report, speakers_in(report));
    for (std::size_t i = 0; i < class_of_.size(); ++i)
        if (classes[class_of_[i]]) each[i] = true;
    return std::ranges::find(classes, true) != classes.end();
}

Report ServiceSample::expand(Report report) const {
    const auto speakers = speakers_in(report);
    const auto unlike = disagreeing(report, speakers);
    const bool in_part = chosen_.size() < asked_->size();
    MoreChanges changes(report);
    const auto cut_short =
        report.state == ScanState::interrupted ? Why::interrupted : Why::deadline;
    const auto source_of = [&](std::size_t i) {
        return is_chosen(i) ? place_[i] : speakers[class_of_[i]];
    };
    const auto expand_ends = [&](const std::vector<ServiceReport>& from) {
        std::vector<ServiceReport> all;
        all.reserve(asked_->size());
        for (std::size_t i = 0; i < asked_->size(); ++i) {
            all.push_back(from[source_of(i)]);
            auto& service = all.back();
            if (in_part) forget_silence(service.arrival);
            if (is_chosen(i)) continue;
            const auto probed = std::exchange(service.service, (*asked_)[i]);
            forget_probe(service);
            service.changes = changes.list(service.changes, probed, (*asked_)[i]);
            service.all_changes = changes.list(service.all_changes, probed, (*asked_)[i]);
            if (!unlike[class_of_[i]]) continue;
            service.result = Verdict::unknown;
            service.cause = {.why = cut_short};
            service.arrival = {};
            service.changes = service.all_changes = 0;
        }
        return all;
    };
    for (auto& router : report.routers) {
        std::vector<ServiceAtRouter> all;
        all.reserve(asked_->size());
        for (std::size_t i = 0; i < asked_->size(); ++i) {
            all.push_back(router.services[source_of(i)]);
            auto& answer = all.back();
            answer.service = static_cast<std::uint32_t>(i);
            if (is_chosen(i)) continue;
            forget_probe(answer);
            answer.change =
                changes.change(answer.change, (*asked_)[chosen_[source_of(i)]], (*asked_)[i]);
            if (!unlike[class_of_[i]]) continue;
            answer.result = Verdict::unknown;
            answer.why = cut_short;
            answer.dropped = {};
            answer.change = 0;
        }
        router.services = std::move(all);
    }
    for (auto& entry : report.by_entry) entry.services = expand_ends(entry.services);
    report.services = expand_ends(report.services);
    report.probed = static_cast<std::uint32_t>(chosen_.size());
    report.yes = count(report.services, Verdict::yes);
    report.no = count(report.services, Verdict::no);
    report.unknown = count(report.services, Verdict::unknown);
    report.mixed = count(report.services, Verdict::mixed);
    for (auto& trail : report.trails) trail.service = chosen_[trail.service];
    return report;
}

}  // namespace ksms
