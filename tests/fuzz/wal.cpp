// SPDX-License-Identifier: BSD-2-Clause
// SQLite's write-ahead log. The first byte says whether sums are put right first: nothing that is
// made up has them.
#include "queue/wal.hpp"

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <vector>

#include "holds.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

constexpr std::size_t header_size = 32, frame_header = 24, page = 512;

/// Files of this process alone, gone with it.
class Files {
public:
    Files() {
        std::string made = (std::filesystem::temp_directory_path() / "ksms_fuzz_XXXXXX").string();
        holds(::mkdtemp(made.data()) != nullptr);
        directory_ = made;
    }
    Files(const Files&) = delete;
    Files& operator=(const Files&) = delete;
    ~Files() { std::filesystem::remove_all(directory_); }
    [[nodiscard]] std::filesystem::path log() const { return directory_ / "log"; }
    [[nodiscard]] std::filesystem::path mended() const { return directory_ / "mended"; }

private:
    std::filesystem::path directory_;
};

/// Sums as the format has them, of words with the lowest byte first.
class Sums {
public:
    void add(const std::uint8_t* bytes, std::size_t size) {
        for (std::size_t at = 0; at < size; at += 8) {
            std::uint32_t word[2];
            std::memcpy(word, bytes + at, sizeof word);
            first_ += word[0] + second_;
            second_ += word[1] + first_;
        }
    }
    void put(std::uint8_t* to) const {
        const std::uint32_t sums[] = {__builtin_bswap32(first_), __builtin_bswap32(second_)};
        std::memcpy(to, sums, sizeof sums);
    }

private:
    std::uint32_t first_{0}, second_{0};
};

/// @param frames  of the log, as many as are to be whole
void put_right(std::vector<std::uint8_t>& log, std::size_t frames) {
    constexpr std::uint8_t start[] = {0x37, 0x7f, 0x06, 0x82, 0, 0x2d, 0xe2, 0x18, 0, 0, 2, 0};
    if (log.size() < header_size) return;
    std::memcpy(log.data(), start, sizeof start);
    Sums sums;
    sums.add(log.data(), 24);
    sums.put(log.data() + 24);
    for (auto at = header_size; frames > 0 && at + frame_header + page <= log.size(); --frames) {
        std::memcpy(log.data() + at + 8, log.data() + 16, 8);
        sums.add(log.data() + at, 8);
        sums.add(log.data() + at + frame_header, page);
        sums.put(log.data() + at + 16);
        at += frame_header + page;
    }
}

void write(const std::filesystem::path& file, const std::vector<std::uint8_t>& bytes) {
    std::ofstream(file, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Files files;
    if (size == 0) return 0;
    std::vector<std::uint8_t> log(data + 1, data + size);
    if (data[0] > 0) put_right(log, data[0] - 1u);
    write(files.log(), log);
    const auto loss = read_log(files.log());
    holds(loss.has_value());
    holds(loss->any() == !loss->text().empty());
    holds(!loss->header || loss->played == 0);
    holds(loss->played * (frame_header + page) <= log.size());
    // A mended log is played back to its end.
    holds(mend_log(files.log(), files.mended()).has_value());
    const auto rest = read_log(files.mended());
    holds(rest && !rest->any());
    return 0;
}
