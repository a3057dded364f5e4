// SPDX-License-Identifier: BSD-2-Clause
// SQLite's handles as types that own them, its errors as values.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"

namespace ksms {

/// An open database. Only one process has it at a time.
class Database {
public:
    /// Opens an existing file; never follows a symbolic link.
    static Result<Database> open(const std::filesystem::path& file);

    /// Statements without parameters or rows.
    Status run(const char* sql);
    /// The first column of the first row of a statement; "" where there is none.
    Result<std::string> text(const char* sql);
    /// @param code  what a call on this database returned
    [[nodiscard]] std::unexpected<Error> error(int code, std::string_view doing) const;
    [[nodiscard]] sqlite3* get() const { return handle_.get(); }
    /// Closing it leaves its log as it is, and beside it.
    void keep_log();
    /// Takes an open transaction back, if there is one.
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
    Statement& bind_null(int at);
    /// True: there is a row. False: it has ended. Parameters are kept until reset().
    Result<bool> step();
    /// Runs a statement that gives no rows, and resets it.
    Status run();
    void reset();

    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] double real(int column) const;
    [[nodiscard]] bool is_null(int column) const;

private:
    struct Finalize {
        void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
    };
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
    Database* database_{nullptr};
    int bound_{SQLITE_OK};  ///< the first error of bind()
};

/// Takes itself back unless it was committed.
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

/// EUCLEAN: what SQLite says of a damaged file.
[[nodiscard]] bool is_damaged(const Error& error);

}  // namespace ksms
