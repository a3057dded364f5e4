// SPDX-License-Identifier: BSD-2-Clause
// Owning types for the handles of SQLite; errors as values.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/error.hpp"

namespace ksms {

/// An open database. Only one process can open it at a time.
class Database {
public:
    /// Opens an existing file; never follows a symbolic link.
    static Result<Database> open(const std::filesystem::path& file);

    /// Statements without parameters or rows.
    Status run(const char* sql);
    /// The first column of the first row of a statement; "" if there is no row.
    Result<std::string> text(const char* sql);
    /// @param code  returned by a call on this database
    [[nodiscard]] std::unexpected<Error> error(int code, std::string_view doing) const;
    [[nodiscard]] sqlite3* get() const { return handle_.get(); }
    /// Closing the database will keep its log.
    void keep_log();
    /// Rolls an open transaction back, if there is one.
    void roll_back();

private:
    struct Close {
        void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
    };
    std::unique_ptr<sqlite3, Close> handle_;
    std::string file_;
};

/// A prepared statement. bind() counts parameters from 1, columns are counted from 0.
class Statement {
public:
    static Result<Statement> prepare(Database& database, const char* sql);

    Statement& bind(int at, std::string_view text);
    Statement& bind(int at, std::int64_t number);
    Statement& bind(int at, double number);
    /// NULL if there is no value.
    template <typename T>
    Statement& bind(int at, const std::optional<T>& value) {
        if (!value) return bind_null(at);
        if constexpr (std::is_integral_v<T>)
            return bind(at, static_cast<std::int64_t>(*value));
        else
            return bind(at, std::string_view(*value));
    }
    /// @return true: there is a row; false: there are no more. Parameters are kept until reset().
    Result<bool> step();
    /// Runs a statement that returns no rows, and resets it.
    Status run();
    void reset();

    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] double real(int column) const;
    [[nodiscard]] bool is_null(int column) const;

private:
    Statement& bind_null(int at);
    struct Finalize {
        void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
    };
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
    Database* database_{nullptr};
    int bound_{SQLITE_OK};  ///< the first error of bind()
};

/// Rolls back unless it was committed.
class Transaction {
public:
    static Result<Transaction> begin(Database& database);
    Transaction(Transaction&& other) noexcept
        : database_(std::exchange(other.database_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction() {
        if (database_ != nullptr) database_->roll_back();
    }
    Status commit();

private:
    explicit Transaction(Database& database) : database_(&database) {}
    Database* database_;
};

/// Whether SQLite reports a damaged file (EUCLEAN).
[[nodiscard]] bool is_damaged(const Error& error);

}  // namespace ksms
