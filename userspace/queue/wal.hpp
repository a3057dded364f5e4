// SPDX-License-Identifier: BSD-2-Clause
// SQLite's write-ahead log as a file, read without SQLite: to say what SQLite leaves out in
// silence. Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/error.hpp"

namespace ksms {

/// SQLite plays a log back up to the last transaction before the first frame whose checksum is
/// wrong. This is what stands behind it.
///
/// With synchronous=FULL a transaction is on disk before the next one is written: what has
/// something behind it was acknowledged. Of a whole transaction at the very end that cannot be
/// told: a power failure leaves the same, and so does, rarely, a kill -9 between the header and the
/// page of a commit that is written over an older log. Anything else that kill -9 leaves is no
/// loss: a transaction without its commit frame, a frame that is not whole, frames of an older log.
///
/// Not to be seen: a log that was cut or removed, which looks like one whose writer was killed; a
/// last transaction whose commit reads 0 and which is damaged elsewhere, too.
struct LogLoss {
    bool header{false};             ///< its header is damaged: SQLite plays nothing of it back
    std::uint64_t played{0};        ///< frames that SQLite plays back
    std::uint64_t acknowledged{0};  ///< transactions behind them which had been acknowledged
    bool last{false};               ///< the last one is broken, acknowledged or not

    /// Whether there was something for certain.
    [[nodiscard]] bool certain() const { return header || acknowledged > 0; }
    [[nodiscard]] bool any() const { return certain() || last; }
    /// In a sentence without its full stop; "" where nothing is lost.
    [[nodiscard]] std::string text() const;
};

/// @param file  jobs.db-wal; where there is none, nothing is lost
/// @return errors of reading it alone: whatever stands in it is no error
[[nodiscard]] Result<LogLoss> read_log(const std::filesystem::path& file);

/// Writes a log that SQLite plays back to the end: of `file` the frames that carry on the checksum
/// of the one before them. What they make of a database need not fit together: for salvage().
/// @param mended  is made or written over
[[nodiscard]] Status mend_log(const std::filesystem::path& file,
                              const std::filesystem::path& mended);

}  // namespace ksms
