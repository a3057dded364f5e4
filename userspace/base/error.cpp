// SPDX-License-Identifier: BSD-2-Clause
#include "base/error.hpp"

#include <cerrno>
#include <cstring>

namespace ksms {

const char* name_of(Code code) {
    switch (code) {
        case Code::failed: return "failed";
        case Code::usage: return "usage";
        case Code::expectation: return "expectation";
        case Code::no_dscp: return "no_dscp";
        case Code::not_found: return "not_found";
        case Code::not_allowed: return "not_allowed";
    }
    return "failed";
}

std::string Error::text() const {
    if (err == 0) return message;
    return message + ": " + std::strerror(err);
}

std::unexpected<Error> fail(Code code, std::string message, std::string hint) {
    return std::unexpected(Error{code, 0, std::move(message), std::move(hint)});
}

std::unexpected<Error> fail_errno(int err, std::string message, std::string hint) {
    const auto code = err == EPERM || err == EACCES ? Code::not_allowed : Code::failed;
    return std::unexpected(Error{code, err, std::move(message), std::move(hint)});
}

}  // namespace ksms
