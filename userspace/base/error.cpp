// SPDX-License-Identifier: BSD-2-Clause
#include "base/error.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace ksms {
namespace {

/// The remedy for a lack of descriptors; "" for another errno.
std::string limit_hint(int err) {
    if (err == ENFILE)
        return "the machine's limit of open files is reached: sysctl fs.file-max raises it";
    rlimit limit{};
    if (err != EMFILE || getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
    return "RLIMIT_NOFILE allows this process " + std::to_string(limit.rlim_cur) +
           " descriptors: raise it (`ulimit -Hn` as root, LimitNOFILE= of a unit)";
}

}  // namespace

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
    if (hint.empty()) hint = limit_hint(err);
    return std::unexpected(Error{code, err, std::move(message), std::move(hint)});
}

}  // namespace ksms
