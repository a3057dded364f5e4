// SPDX-License-Identifier: BSD-2-Clause
// Errors are values: operation, object, cause and remedy.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace ksms {

/// The kind of failure. Its value is the exit status of the command line.
enum class Code : int {
    failed = 1,       ///< the operation failed
    usage = 2,        ///< the call is wrong
    expectation = 3,  ///< --fail-on was met
    no_dscp = 4,      ///< no DSCP is free, or another job holds the requested one
    not_found = 5,    ///< no such job, lease, router, namespace or address
    not_allowed = 6,  ///< a capability or a group is missing
};

/// The name of a code in JSON ("usage", "not_found", …).
[[nodiscard]] const char* name_of(Code code);

struct Error {
    Code code{Code::failed};
    int err{0};           ///< errno; 0: no system call failed
    std::string message;  ///< operation and object: "attach a tap to eth0 in hq-gw"
    std::string hint;     ///< the remedy; may be empty

    /// The message, followed by strerror(err) if a system call failed.
    [[nodiscard]] std::string text() const;
};

/// A value or an error: std::expected, [[nodiscard]].
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

/// A failed system call. EPERM and EACCES become Code::not_allowed, all others Code::failed. For a
/// lack of descriptors the default hint names the limit and the remedy.
/// @param err  the errno, positive
[[nodiscard]] std::unexpected<Error> fail_errno(int err, std::string message,
                                                std::string hint = {});

/// Runs an action at the end of the scope.
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
