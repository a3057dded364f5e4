// SPDX-License-Identifier: BSD-2-Clause
// Makes a request of the fields of a command line or a body. Errors quote them as written: --mode
// isolated, or "mode": "isolated".
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
        std::string shown;  ///< as written
    };
    /// @param values  none: the field was not given
    /// @return Code::usage naming the field and the value
    Status take(const Field& field, const std::vector<Given>& values);
    /// Checks rules that involve several fields. Call it after the last take().
    Result<Asked> finish();
    /// A given field with its value: --mode isolated
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

/// "40" -> 40; KSMS_DSCPS if it is not a DSCP.
[[nodiscard]] std::uint8_t read_dscp(const std::string& text);

}  // namespace ksms
