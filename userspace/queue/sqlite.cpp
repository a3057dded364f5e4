// SPDX-License-Identifier: BSD-2-Clause
#include "queue/sqlite.hpp"

#include <fmt/format.h>

#include <cerrno>

namespace ksms {
namespace {

/// The errno for an SQLite code; the errno of the system call has priority.
int errno_of(int code, int system) {
    switch (code & 0xff) {
        case SQLITE_FULL: return ENOSPC;
        case SQLITE_BUSY:
        case SQLITE_PROTOCOL:  // lock contention
        case SQLITE_LOCKED: return EBUSY;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_FORMAT: return EUCLEAN;
        case SQLITE_NOMEM: return ENOMEM;
        case SQLITE_READONLY: return EROFS;
        case SQLITE_PERM:
        case SQLITE_AUTH: return EACCES;
        case SQLITE_TOOBIG: return EFBIG;
        case SQLITE_IOERR:
            if ((code >> 8) == (SQLITE_IOERR_NOMEM >> 8)) return ENOMEM;
            return system != 0 ? system : EIO;
        case SQLITE_CANTOPEN: return system != 0 ? system : EIO;
        default: return 0;
    }
}

std::string hint_of(int err) {
    switch (err) {
        case ENOSPC:
        case EDQUOT:
            return "make room on its file system; nothing was changed, and it goes on by itself";
        case EFBIG: return "the file may not grow (RLIMIT_FSIZE, LimitFSIZE= of a unit)";
        case EBUSY: return "another process has it open: one ksmsd a directory";
        case EUCLEAN: return "it is damaged: it is set aside and an empty one is created";
        case EROFS: return "its file system or the file is read-only";
        case EIO: return "look into the kernel's log for errors of the disk";
        default: return {};
    }
}

}  // namespace

/// The error after a failed repair.
static std::unexpected<Error> not_open() {
    return fail_errno(EUCLEAN, "the queue's database is not open",
                      "its repair failed: try it again");
}

bool is_damaged(const Error& error) {
    return error.err == EUCLEAN;
}

Result<Database> Database::open(const std::filesystem::path& file) {
    Database database;
    database.file_ = file;
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(file.c_str(), &handle,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, nullptr);
    database.handle_.reset(handle);
    if (handle == nullptr) return fail_errno(ENOMEM, "open " + database.file_);
    if (code != SQLITE_OK) return database.error(code, "open");
    sqlite3_extended_result_codes(handle, 1);
    return database;
}

std::unexpected<Error> Database::error(int code, std::string_view doing) const {
    const int err = errno_of(code, sqlite3_system_errno(get()));
    auto message = fmt::format("{} {}: {}", doing, file_, sqlite3_errmsg(get()));
    if (err == 0) return fail(Code::failed, std::move(message));
    return fail_errno(err, std::move(message), hint_of(err));
}

Status Database::run(const char* sql) {
    if (get() == nullptr) return not_open();
    const int code = sqlite3_exec(get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return error(code, "use");
    return {};
}

Result<std::string> Database::text(const char* sql) {
    KSMS_TRY(auto statement, Statement::prepare(*this, sql));
    KSMS_TRY(const bool row, statement.step());
    return row ? statement.text(0) : std::string{};
}

void Database::keep_log() {
    sqlite3_db_config(get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

void Database::roll_back() {
    if (get() != nullptr && sqlite3_get_autocommit(get()) == 0) (void)run("ROLLBACK");
}

Result<Statement> Statement::prepare(Database& database, const char* sql) {
    if (database.get() == nullptr) return not_open();
    Statement statement;
    sqlite3_stmt* handle = nullptr;
    const int code = sqlite3_prepare_v2(database.get(), sql, -1, &handle, nullptr);
    statement.handle_.reset(handle);
    if (code != SQLITE_OK) return database.error(code, "use");
    statement.database_ = &database;
    return statement;
}

Statement& Statement::bind(int at, std::string_view text) {
    // SQLITE_STATIC: the caller's text exists until the statement has run.
    const int code = sqlite3_bind_text64(handle_.get(), at, text.data() ? text.data() : "",
                                         text.size(), SQLITE_STATIC, SQLITE_UTF8);
    if (bound_ == SQLITE_OK) bound_ = code;
    return *this;
}

Statement& Statement::bind(int at, std::int64_t number) {
    const int code = sqlite3_bind_int64(handle_.get(), at, number);
    if (bound_ == SQLITE_OK) bound_ = code;
    return *this;
}

Statement& Statement::bind(int at, double number) {
    const int code = sqlite3_bind_double(handle_.get(), at, number);
    if (bound_ == SQLITE_OK) bound_ = code;
    return *this;
}

Statement& Statement::bind_null(int at) {
    const int code = sqlite3_bind_null(handle_.get(), at);
    if (bound_ == SQLITE_OK) bound_ = code;
    return *this;
}

Result<bool> Statement::step() {
    if (bound_ != SQLITE_OK) {
        const int code = bound_;
        reset();
        return database_->error(code, "use");
    }
    const int code = sqlite3_step(handle_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    auto error = database_->error(code, "use");
    reset();
    return error;
}

Status Statement::run() {
    auto row = step();
    reset();
    if (!row) return std::unexpected(std::move(row).error());
    return {};
}

void Statement::reset() {
    sqlite3_reset(handle_.get());
    sqlite3_clear_bindings(handle_.get());
    bound_ = SQLITE_OK;
}

std::string Statement::text(int column) const {
    const auto* const text = sqlite3_column_text(handle_.get(), column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column));
    return text == nullptr ? std::string{} : std::string(reinterpret_cast<const char*>(text), size);
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(handle_.get(), column);
}

double Statement::real(int column) const {
    return sqlite3_column_double(handle_.get(), column);
}

bool Statement::is_null(int column) const {
    return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

Result<Transaction> Transaction::begin(Database& database) {
    KSMS_CHECK(database.run("BEGIN IMMEDIATE"));
    return Transaction(database);
}

Status Transaction::commit() {
    // If it fails, the transaction is still open and the destructor rolls it back.
    KSMS_CHECK(database_->run("COMMIT"));
    database_ = nullptr;
    return {};
}

}  // namespace ksms
