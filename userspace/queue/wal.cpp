// SPDX-License-Identifier: BSD-2-Clause
#include "queue/wal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/fd.hpp"

namespace ksms {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t header_size = 32;
constexpr std::size_t frame_header_size = 24;

std::uint32_t big_endian(Bytes bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (const auto byte : bytes.subspan(at, 4)) value = value << 8 | byte;
    return value;
}

/// The checksum, which each frame carries on from the one before it.
struct Sum {
    std::uint32_t first{0}, second{0};

    /// @param bytes  a multiple of 8
    void add(Bytes bytes, bool as_big_endian) {
        const auto word = [&](std::size_t at) {
            const auto value = big_endian(bytes, at);
            return as_big_endian ? value : std::byteswap(value);
        };
        for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
            first += word(at) + second;
            second += word(at + 4) + first;
        }
    }
    bool operator==(const Sum&) const = default;
};

/// What an odd number is multiplied by to become 1, modulo 2^32.
std::uint32_t inverse(std::uint32_t odd) {
    std::uint32_t result = odd;  // right in its last three bits; each step doubles them
    for (int bits = 3; bits < 32; bits *= 2) result *= 2 - odd * result;
    return result;
}

struct Salts {
    std::uint32_t first{0}, second{0};  ///< counted up; random
    bool operator==(const Salts&) const = default;
};

struct Header {
    bool as_big_endian{false};  ///< how the words are read for the checksum
    std::uint32_t page_size{0};
    std::uint32_t restarts{0};  ///< how often the file was begun anew
    Salts salts;
    Sum sum;
};

std::optional<Header> parse_header(Bytes bytes) {
    constexpr std::uint32_t magic = 0x377f0682;
    Header header;
    const auto kind = big_endian(bytes, 0);
    if ((kind & ~1U) != magic) return std::nullopt;
    header.as_big_endian = (kind & 1U) != 0;
    header.page_size = big_endian(bytes, 8);
    if (!std::has_single_bit(header.page_size) || header.page_size < 512 ||
        header.page_size > 65536)
        return std::nullopt;
    header.restarts = big_endian(bytes, 12);
    header.salts = {big_endian(bytes, 16), big_endian(bytes, 20)};
    header.sum.add(bytes.first(24), header.as_big_endian);
    if (header.sum != Sum{big_endian(bytes, 24), big_endian(bytes, 28)}) return std::nullopt;
    return header;
}

struct Frame {
    std::uint32_t page{0};
    std::uint32_t commit{0};  ///< pages of the database after this transaction, 0: it goes on
    Salts salts;
    Sum sum;
};

Frame parse_frame(Bytes bytes) {
    return {big_endian(bytes, 0),
            big_endian(bytes, 4),
            {big_endian(bytes, 8), big_endian(bytes, 12)},
            {big_endian(bytes, 16), big_endian(bytes, 20)}};
}

class Log {
public:
    Log(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

    Result<LogLoss> read();
    Status mend(const Fd& to);

private:
    /// False: the file ends before.
    Result<bool> read_at(std::uint64_t at, std::span<std::uint8_t> bytes) const;
    [[nodiscard]] std::uint64_t frame_at(std::uint64_t number) const {
        return header_size + number * (frame_header_size + header_.page_size);
    }
    Result<std::uint64_t> first_broken(LogLoss& loss) const;
    [[nodiscard]] bool ends_transaction(Bytes bytes, Sum before) const;
    Status look_behind(std::uint64_t broken, LogLoss& loss) const;
    [[nodiscard]] bool is_older(const Frame& frame) const;
    [[nodiscard]] bool is_unfinished(const Frame& frame, bool first) const;

    Fd fd_;
    std::string name_;
    Header header_;
};

Result<bool> Log::read_at(std::uint64_t at, std::span<std::uint8_t> bytes) const {
    while (!bytes.empty()) {
        const auto got = pread(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(errno, "read " + name_);
        if (got == 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(got));
        at += static_cast<std::uint64_t>(got);
    }
    return true;
}

/// Whether a frame whose sum is wrong ends a transaction. Where nothing but its commit is damaged,
/// the sum says what that was.
/// @param before  the sum of the frame before it
bool Log::ends_transaction(Bytes bytes, Sum before) const {
    constexpr std::uint32_t most_pages = 1U << 24;
    const auto frame = parse_frame(bytes);
    const auto page = bytes.subspan(frame_header_size);
    std::array<std::uint8_t, 8> start{};
    std::ranges::copy(bytes.first(4), start.begin());
    before.add(start, header_.as_big_endian);
    before.add(page, header_.as_big_endian);
    // Sums are linear: so much is added by a commit of one. Its two halves are neighbours in
    // Fibonacci's series, of which one is odd: one word at most makes up for what is missing.
    Sum one;
    one.add(std::array<std::uint8_t, 8>{0, 0, 0, 0, 0, 0, 0, 1}, true);
    one.add(std::vector<std::uint8_t>(page.size()), true);
    const Sum missing{frame.sum.first - before.first, frame.sum.second - before.second};
    const auto word = one.first % 2 != 0 ? missing.first * inverse(one.first)
                                         : missing.second * inverse(one.second);
    const auto commit = header_.as_big_endian ? word : std::byteswap(word);
    if (Sum{one.first * word, one.second * word} == missing && commit <= most_pages)
        return commit != 0;
    return frame.commit != 0;
}

/// As SQLite reads it. Gives the number of the frame at which it stops, and in loss.last whether a
/// transaction ends there.
Result<std::uint64_t> Log::first_broken(LogLoss& loss) const {
    std::vector<std::uint8_t> bytes(frame_header_size + header_.page_size);
    Sum sum = header_.sum;
    for (std::uint64_t number = 0;; ++number) {
        KSMS_TRY(const bool whole, read_at(frame_at(number), bytes));
        if (!whole) return number;
        const auto frame = parse_frame(bytes);
        if (frame.salts != header_.salts) return number;
        const auto before = sum;
        sum.add(Bytes(bytes).first(8), header_.as_big_endian);
        sum.add(Bytes(bytes).subspan(frame_header_size), header_.as_big_endian);
        if (frame.sum != sum || frame.page == 0) {
            loss.last = ends_transaction(bytes, before);
            return number;
        }
        if (frame.commit != 0) loss.played = number + 1;
    }
}

/// A frame of the log that this one is written over: each restart counts the first salt up.
bool Log::is_older(const Frame& frame) const {
    const auto behind = header_.salts.first - frame.salts.first;
    return behind >= 1 && behind <= header_.restarts && frame.salts.second != header_.salts.second;
}

/// Frames with neither salts of this log nor of an older one that kill -9 explains.
/// @param first  of what SQLite does not play back
bool Log::is_unfinished(const Frame& frame, bool first) const {
    if (frame.page == 0) return false;
    // In a transaction that writes a page twice, what comes after it has no salts and no sum until
    // the commit puts them in.
    if (frame.salts == Salts{}) return frame.sum == Sum{} && !first;
    // The first transaction of a new file was not finished, and the log began again with other
    // salts.
    return frame.commit == 0 && frame.salts.first != header_.salts.first &&
           frame.salts.second != header_.salts.second;
}

Status Log::look_behind(std::uint64_t broken, LogLoss& loss) const {
    bool may_be_damaged = true;  // no older frame was seen: this log was never longer than that
    bool was_damaged = false, any_damaged = false;
    const bool broken_ends = std::exchange(loss.last, false);
    struct stat status{};
    if (fstat(fd_.get(), &status) != 0) return fail_errno(errno, "stat " + name_);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    for (auto number = broken; frame_at(number + 1) <= size; ++number) {
        std::array<std::uint8_t, frame_header_size> bytes{};
        KSMS_TRY(const bool whole, read_at(frame_at(number), bytes));
        if (!whole) break;
        const auto frame = parse_frame(bytes);
        const bool ours = frame.salts == header_.salts;
        if (!ours && is_older(frame)) may_be_damaged = false;
        const bool damaged = !ours && may_be_damaged && !is_unfinished(frame, number == broken);
        if (!ours && !damaged) continue;
        // A damaged header of a frame need not be that of a commit.
        if (loss.last && !was_damaged) ++loss.acknowledged;
        loss.last = damaged || (number == broken ? broken_ends : frame.commit != 0);
        was_damaged = damaged;
        any_damaged |= damaged;
    }
    loss.last |= any_damaged;
    return {};
}

Result<LogLoss> Log::read() {
    LogLoss loss;
    std::array<std::uint8_t, header_size + 1> start{};
    KSMS_TRY(const bool used, read_at(0, start));
    // The header is on disk before the first frame is written.
    if (!used) return loss;
    const auto header = parse_header(Bytes(start).first(header_size));
    if (!header) {
        loss.header = true;
        return loss;
    }
    header_ = *header;
    KSMS_TRY(const auto broken, first_broken(loss));
    KSMS_CHECK(look_behind(broken, loss));
    return loss;
}

Status write_all(const Fd& fd, Bytes bytes) {
    while (!bytes.empty()) {
        const auto put = write(fd.get(), bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail_errno(errno, "write the copy of a damaged log");
        bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return {};
}

void put_sum(std::span<std::uint8_t> bytes, const Sum& sum) {
    for (std::size_t at = 0; at < 8; ++at)
        bytes[at] =
            static_cast<std::uint8_t>((at < 4 ? sum.first : sum.second) >> (24 - at % 4 * 8));
}

/// Frames are left out, so each sum is worked out anew.
Status Log::mend(const Fd& to) {
    std::array<std::uint8_t, header_size + frame_header_size> start{};
    KSMS_TRY(const bool used, read_at(0, start));
    if (!used) return {};
    const auto head = std::span(start).first<header_size>();
    const auto header = parse_header(head);
    if (!header) {
        // As we make it, with the salts of the first frame.
        constexpr bool big = std::endian::native == std::endian::big;
        constexpr std::array<std::uint8_t, 16> ours{
            0x37, 0x7f, 0x06, big ? 0x83 : 0x82, 0, 0x2d, 0xe2, 0x18, 0, 0, 0x10, 0};
        std::ranges::copy(ours, head.begin());
        std::ranges::copy(std::span(start).subspan(header_size + 8, 8), head.begin() + 16);
        Sum sum;
        sum.add(head.first(24), big);
        put_sum(head.subspan(24), sum);
    }
    header_ = *parse_header(head);
    KSMS_CHECK(write_all(to, head));
    std::vector<std::uint8_t> bytes(frame_header_size + header_.page_size);
    Sum before = header_.sum, mended = header_.sum;
    for (std::uint64_t number = 0;; ++number) {
        KSMS_TRY(const bool whole, read_at(frame_at(number), bytes));
        if (!whole) return {};
        const auto frame = parse_frame(bytes);
        const auto add_to = [&](Sum sum) {
            sum.add(Bytes(bytes).first(8), header_.as_big_endian);
            sum.add(Bytes(bytes).subspan(frame_header_size), header_.as_big_endian);
            return sum;
        };
        const bool sound = add_to(before) == frame.sum || (!header && number == 0);
        before = frame.sum;
        if (!sound || frame.salts != header_.salts || frame.page == 0) continue;
        mended = add_to(mended);
        put_sum(std::span(bytes).subspan(16, 8), mended);
        KSMS_CHECK(write_all(to, bytes));
    }
}

}  // namespace

std::string LogLoss::text() const {
    if (header) return "the header of its log is damaged: SQLite reads nothing of it";
    if (acknowledged > 0)
        return fmt::format(
            "its log is damaged after frame {}: SQLite leaves out {} or more changes that were "
            "acknowledged{}",
            played, acknowledged, last ? ", and the last one" : "");
    if (last)
        return fmt::format(
            "the last change in its log (after frame {}) is broken: if it was acknowledged, it is "
            "lost",
            played);
    return {};
}

Result<LogLoss> read_log(const std::filesystem::path& file) {
    Fd fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd && errno == ENOENT) return LogLoss{};
    if (!fd) return fail_errno(errno, "open " + file.string());
    return Log(std::move(fd), file.string()).read();
}

Status mend_log(const std::filesystem::path& file, const std::filesystem::path& mended) {
    Fd from(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!from) return fail_errno(errno, "open " + file.string());
    const Fd to(
        ::open(mended.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!to) return fail_errno(errno, "make " + mended.string());
    return Log(std::move(from), file.string()).mend(to);
}

}  // namespace ksms
