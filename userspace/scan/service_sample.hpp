// SPDX-License-Identifier: BSD-2-Clause
// --classes: which of the services that are asked about are probed, and the report of all of them
// made of theirs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/service.hpp"
#include "judge/report.hpp"

namespace ksms {

class ServiceSample {
public:
    /// @param asked  outlives this object
    explicit ServiceSample(const std::vector<Service>& asked)
        : asked_(asked), each_(asked.size(), false) {}

    /// Before all others. Chooses of each class what is at both ends of a range of its ports, where
    /// the rules may have been misread, and some of the others at random.
    /// @param class_of  of each service, as AnswerClasses has it
    void choose(std::vector<std::uint32_t> class_of);
    /// The services that are probed, in the order asked.
    [[nodiscard]] std::vector<Service> chosen() const;

    /// Has a class members with different answers? choose() chooses all of its members from then
    /// on.
    /// @param report  of the chosen services
    bool widen(const Report& report);
    /// Gives what was not probed its class's answer, or UNKNOWN where its class has none.
    [[nodiscard]] Report expand(Report report) const;

private:
    [[nodiscard]] std::vector<bool> probed_in_part() const;  ///< per class
    /// Per class: the place in chosen_ of whom the others have their answer from.
    [[nodiscard]] std::vector<std::uint32_t> speakers_in(const Report& report) const;
    /// Per class: it was probed in part, and what was has different answers.
    [[nodiscard]] std::vector<bool> disagreeing(const Report& report) const;
    [[nodiscard]] bool is_chosen(std::size_t service) const { return place_[service] != kNotThere; }

    static constexpr std::uint32_t kNotThere = 0xffffffff;
    const std::vector<Service>& asked_;
    std::vector<std::uint32_t> class_of_;      ///< per service asked
    std::vector<bool> each_;                   ///< per service asked: it is always chosen
    std::vector<std::uint32_t> chosen_;        ///< services asked
    std::vector<std::uint32_t> place_;         ///< per service asked: its place in chosen_
    std::vector<std::uint32_t> first_chosen_;  ///< per class: a place in chosen_
};

}  // namespace ksms
