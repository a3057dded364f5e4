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

/// A choice among the services that were asked about, and what it says of the others.
class ServiceSample {
public:
    /// Of no services.
    ServiceSample() = default;
    /// Chooses of each class what is at both ends of a range of its ports, where the rules may have
    /// been misread, and some of the others at random.
    /// @param asked  outlives the sample
    /// @param class_of  of each service, as AnswerClasses has it
    /// @param each  per service: it is chosen in any case
    ServiceSample(const std::vector<Service>& asked, std::vector<std::uint32_t> class_of,
                  const std::vector<bool>& each);

    /// The services that are probed, in the order asked.
    [[nodiscard]] std::vector<Service> chosen() const;
    /// Adds the services of each class that was probed in part and whose members have different
    /// answers.
    /// @param report  of the chosen services
    /// @return whether there is such a class
    bool add_unlike(const Report& report, std::vector<bool>& each) const;
    /// Gives what was not probed its class's answer, or UNKNOWN where its class has none.
    /// @param report  of the chosen services
    [[nodiscard]] Report expand(Report report) const;

private:
    /// Per class: the place in chosen_ of whom the others have their answer from.
    [[nodiscard]] std::vector<std::uint32_t> speakers_in(const Report& report) const;
    /// Per class: it was probed in part, and what was has different answers.
    /// @param speakers  speakers_in() this report
    [[nodiscard]] std::vector<bool> disagreeing(const Report& report,
                                                const std::vector<std::uint32_t>& speakers) const;
    [[nodiscard]] bool is_chosen(std::size_t service) const { return place_[service] != kNotThere; }

    static constexpr std::uint32_t kNotThere = 0xffffffff;
    const std::vector<Service>* asked_{nullptr};
    std::vector<std::uint32_t> class_of_;      ///< per service asked
    std::vector<std::uint32_t> chosen_;        ///< services asked
    std::vector<std::uint32_t> place_;         ///< per service asked: its place in chosen_
    std::vector<std::uint32_t> first_chosen_;  ///< per class: a place in chosen_
};

}  // namespace ksms
