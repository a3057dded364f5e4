// SPDX-License-Identifier: BSD-2-Clause
// The services database (services(5)) and a few names that it lacks, read once when a name is first
// needed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/service.hpp"

namespace ksms {

struct ServiceNames {
    std::map<std::string, std::vector<Service>> by_name;  ///< aliases too
    std::map<Service, std::string> by_service;            ///< the database's first name
    std::vector<std::string> names;                       ///< all, for the nearest one

    static const ServiceNames& get();
};

/// The name in the services database ("ssh"); "" if it has none.
[[nodiscard]] std::string service_name(const Service& service);

}  // namespace ksms
