// SPDX-License-Identifier: BSD-2-Clause
// Errors are values: what was attempted, on what, why it failed and the way out.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace ksms {

/// What kind of failure it is; the value is the exit status that the command line ends with.
enum class Code : int {
    failed = 1,       ///< it was tried and did not work
    usage = 2,        ///< the call is wrong
    expectation = 3,  ///< --fail-on was met
    no_dscp = 4,      ///< no DSCP is free, or the one asked for is somebody else's
    not_found = 5,    ///< no such job, lease, router, namespace or address
    not_allowed = 6,  ///< a capability or a group is missing
};

/// The name of a code as it stands in JSON ("usage", "not_found", …).
[[nodiscard]] const char* name_of(Code code);

struct Error {
    Code code{Code::failed};
    int err{0};           ///< errno, 0 where no system call failed
    std::string message;  ///< operation and object: "attach a tap to eth0 in hq-gw"
    std::string hint;     ///< the way out; may be empty

    /// message, and strerror(err) behind it where a system call failed.
    [[nodiscard]] std::string text() const;
};

/// A value, or why there is none. std::expected, which nobody may pass over.
template <typename T>
class [[nodiscard]] Result : public std::expected<T, Error> {
public:
    using Expected = std::expected<T, Error>;
    using Expected::Expected;
    using Expected::operator=;
    Result() = default;
    Result(Expected other) : Expected(std::move(other)) {}  // NOLINT: as its base does
};
using Status = Result<void>;

/// An error without errno.
[[nodiscard]] std::unexpected<Error> fail(Code code, std::string message, std::string hint = {});

/// A failed system call. EPERM and EACCES become Code::not_allowed, all others Code::failed. Where
/// descriptors ran out and no hint is given, the limit and the way out are.
/// @param err  the errno, positive
[[nodiscard]] std::unexpected<Error> fail_errno(int err, std::string message,
                                                std::string hint = {});

/// EMFILE or ENFILE: nothing can be concluded about what was to be opened.
[[nodiscard]] bool is_out_of_descriptors(const Error& error);

/// Runs at the end of the scope, whichever way it is left.
template <typename F>
class [[nodiscard]] Defer {
public:
    explicit Defer(F action) : action_(std::move(action)) {}
    Defer(const Defer&) = delete;
    Defer& operator=(const Defer&) = delete;
    ~Defer() { action_(); }

private:
    F action_;
};

}  // namespace ksms

#define KSMS_CONCAT_(a, b) a##b
#define KSMS_CONCAT(a, b) KSMS_CONCAT_(a, b)
#define KSMS_TRY_(tmp, decl, expr)                            \
    auto tmp = (expr);                                        \
    if (!tmp) return std::unexpected(std::move(tmp).error()); \
    decl = std::move(*tmp)
/// KSMS_TRY(auto x, f()): x is the value of f(), or this function returns its error.
#define KSMS_TRY(decl, expr) KSMS_TRY_(KSMS_CONCAT(ksms_try_, __COUNTER__), decl, expr)
#define KSMS_CHECK_(tmp, expr) \
    if (auto tmp = (expr); !tmp) return std::unexpected(std::move(tmp).error())
/// KSMS_CHECK(f()): this function returns the error of f() if there is one.
#define KSMS_CHECK(expr) KSMS_CHECK_(KSMS_CONCAT(ksms_check_, __COUNTER__), expr)
