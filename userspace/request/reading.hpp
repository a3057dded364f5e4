// SPDX-License-Identifier: BSD-2-Clause
// Fields as they were given, on a command line or in a body -> a request. Errors name them as they
// were written: --mode isolated, or "mode": "isolated".
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "request/fields.hpp"

namespace ksms {

class Reading {
public:
    explicit Reading(Place place) : place_(place) {}

    /// One value of a field.
    struct Given {
        std::string text;
        std::string shown;  ///< as it was written
    };
    /// @param values  none: the field was not given
    /// @return Code::usage naming the field and the value
    Status take(const Field& field, const std::vector<Given>& values);
    /// What concerns several fields. After the last take().
    Result<Asked> finish();
    /// A field that was given, and its value: --mode isolated
    [[nodiscard]] const std::string& said(const std::string& field) const {
        return said_.at(field);
    }
    [[nodiscard]] bool has(const std::string& field) const { return said_.contains(field); }

private:
    [[nodiscard]] bool is_line() const { return (place_ & in_body) == 0; }
    [[nodiscard]] std::string name(const std::string& field) const;
    [[nodiscard]] std::string phrase(const std::string& field, const std::string& shown) const;
    Status check_presence() const;
    Status check_way() const;
    Status make_services();

    Place place_;
    Asked asked_;
    std::map<std::string, std::string> said_;  ///< by the field's long name
};

/// "40" -> 40; KSMS_DSCPS where it is no DSCP at all.
[[nodiscard]] std::uint8_t read_dscp(const std::string& text);

}  // namespace ksms
