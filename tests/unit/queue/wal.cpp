// SPDX-License-Identifier: BSD-2-Clause
// What a damaged log costs is said; what kill -9 leaves is no damage.
#include "queue/wal.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "directory.hpp"

using namespace ksms;
using namespace ksms::queue_test;

namespace {

constexpr std::uint64_t header_size = 32, frame_size = 24 + 4096;

std::uint64_t frame(std::uint64_t number) {
    return header_size + number * frame_size;
}

/// What a kill -9 leaves of a store, in a directory of its own.
void leave(const Directory& from, const Directory& to) {
    for (const char* more : {"", "-wal"})
        fs::copy_file(from.file(more), to.file(more), fs::copy_options::overwrite_existing);
}

std::uint64_t frames(const Directory& directory) {
    return (fs::file_size(directory.file("-wal")) - header_size) / frame_size;
}

LogLoss loss(const Directory& directory) {
    const auto found = read_log(directory.file("-wal"));
    if (!found) FAIL(found.error().text());
    return *found;
}

void set(const fs::path& file, std::uint64_t at, const std::string& bytes) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(at));
    stream << bytes;
}

std::string get(const fs::path& file, std::uint64_t at, std::size_t size) {
    std::ifstream stream(file, std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    std::string bytes(size, '\0');
    stream.read(bytes.data(), static_cast<std::streamsize>(size));
    return bytes;
}

/// Frames in the last transaction of a log.
std::uint64_t last_length(const Directory& directory) {
    std::uint64_t length = 1;
    const auto count = frames(directory);
    while (length < count &&
           get(directory.file("-wal"), frame(count - 1 - length) + 4, 4) == std::string(4, '\0'))
        ++length;
    return length;
}

int jobs_there(JobStore& store, int of) {
    int there = 0;
    for (int i = 0; i < of; ++i) there += store.find("job-" + std::to_string(i)).has_value();
    return there;
}

}  // namespace

TEST_CASE("log: what SQLite leaves out of a damaged one is carried over as far as it can be read") {
    constexpr int jobs = 100;
    const Directory running, left;
    auto source = open(running);
    fill(source, 0, jobs);
    REQUIRE(source.finished("job-1", JobState::done, std::string(50'000, 'r'), "", 5));
    leave(running, left);
    const auto log = left.file("-wal");
    const auto whole = fs::file_size(log);
    REQUIRE_FALSE(loss(left).any());
    int lost = 0;
    SECTION("a page in the middle") {
        overwrite(log, frame(frames(left) / 2) + 1000, 8);
    }
    SECTION("many pages") {
        for (auto i = frames(left) / 4; i < frames(left) / 2; ++i)
            overwrite(log, frame(i) + 60, 99);
    }
    SECTION("the header") {
        overwrite(log, 0, 32);
    }
    SECTION("the first page of the file, too") {
        overwrite(log, frame(frames(left) / 2) + 1000, 8);
        overwrite(left.file(), 0, 4096);
    }
    SECTION("a result") {
        overwrite(log, frame(frames(left) - 6) + 1000, 8);
        overwrite(log, frame(5) + 1000, 8);
        lost = 1;
    }
    const auto broken = get(log, 0, whole);
    REQUIRE(loss(left).certain());
    {
        auto store = open(left);
        REQUIRE(store.damage());
        const auto damage = *store.damage();
        INFO(damage.text());
        CHECK(jobs_there(store, jobs) == jobs);
        CHECK(damage.carried == jobs);
        CHECK(damage.lost == 0);
        CHECK(damage.results_lost == static_cast<std::uint64_t>(lost));
        CHECK(store.find("job-1")->state == JobState::done);
        CHECK(store.find("job-1")->result.size() == (lost == 0 ? 50'000 : 0));
        CHECK_FALSE(damage.complete);
        CHECK(damage.text().find("its log is damaged") != std::string::npos);
        CHECK(damage.set_aside == left.file(".damaged-1"));
        CHECK(get(left.file(".damaged-1-wal"), 0, whole) == broken);
        REQUIRE(store.submit(job("new")));
        CHECK_FALSE(loss(left).any());
    }
    CHECK(open(left).damage());
    CHECK_FALSE(fs::exists(left.file(".copy")));
    CHECK_FALSE(fs::exists(left.file(".damaged-2")));
}

TEST_CASE("log: where the last change may have been acknowledged, that is said and a copy kept") {
    const Directory running, left;
    auto source = open(running);
    fill(source, 0, 20);
    leave(running, left);
    const auto whole = fs::file_size(left.file("-wal"));
    overwrite(left.file("-wal"), frame(frames(left) - 1) + 1000, 8);
    const auto broken = get(left.file("-wal"), 0, whole);
    {
        auto store = open(left);
        REQUIRE(store.damage());
        const auto damage = *store.damage();
        CHECK(jobs_there(store, 20) == 19);
        CHECK(damage.carried == 19);
        CHECK_FALSE(damage.complete);
        CHECK(damage.text().find("if it was acknowledged") != std::string::npos);
        CHECK(damage.set_aside == left.file(".damaged-1-wal"));
        CHECK(get(damage.set_aside, 0, whole) == broken);
        REQUIRE(store.submit(job("new")));
        // Killed here: what lies behind in the log is not taken for the same damage again.
        const Directory again;
        leave(left, again);
        CHECK_FALSE(loss(again).any());
    }
    {
        auto store = open(left);
        CHECK(store.damage());
        CHECK(store.find("new"));
        CHECK(jobs_there(store, 20) == 19);
        CHECK_FALSE(fs::exists(left.file(".damaged-2-wal")));
    }
    fs::remove(left.file(".damaged-1-wal"));
    CHECK_FALSE(open(left).damage());
}

TEST_CASE("log: how many were lost, as far as it can be told") {
    const Directory running, left;
    auto source = open(running);
    fill(source, 0, 20);
    leave(running, left);
    const auto log = left.file("-wal");
    const auto count = frames(left);
    const auto last = count - last_length(left);
    SECTION("the last one: perhaps") {
        const auto at = GENERATE(0, 4, 8, 12, 16, 20, 24, 4119);
        const auto number = GENERATE(true, false) ? last : count - 1;
        INFO("byte " << at << " of frame " << number);
        const auto place = frame(number) + static_cast<std::uint64_t>(at);
        set(log, place, std::string(1, static_cast<char>(~get(log, place, 1)[0])));
        CHECK(loss(left).last);
        CHECK(loss(left).acknowledged == 0);
        CHECK(loss(left).played == last);
    }
    SECTION("the last one, by its commit alone") {
        set(log, frame(count - 1) + 4, std::string(4, '\0'));
        CHECK(loss(left).last);
        CHECK(loss(left).acknowledged == 0);
    }
    SECTION("the one before: for certain") {
        overwrite(log, frame(last - 1) + 100, 1);
        CHECK(loss(left).acknowledged == 1);
        CHECK(loss(left).last);
    }
    SECTION("and then a transaction that was never finished") {
        overwrite(log, frame(last - 1) + 100, 1);
        fs::resize_file(log, frame(count - 1));
        REQUIRE(count - 1 > last);
        CHECK(loss(left).acknowledged == 1);
        CHECK_FALSE(loss(left).last);
    }
    SECTION("all of them, with the header") {
        const auto at = GENERATE(0, 8, 12, 16, 20, 24, 28);
        overwrite(log, static_cast<std::uint64_t>(at), 1);
        CHECK(loss(left).header);
        CHECK(open(left).damage());
        return;
    }
    SECTION("zeros") {
        set(log, frame(last), std::string((count - last) * frame_size, '\0'));
        CHECK(loss(left).last);
        CHECK(loss(left).acknowledged == 0);
    }
    CHECK(loss(left).any());
    CHECK_FALSE(loss(left).text().empty());
}

TEST_CASE("log: what kill -9 leaves is no loss") {
    const Directory running, left;
    auto source = open(running);
    fill(source, 0, 8);
    leave(running, left);
    const auto log = left.file("-wal");
    SECTION("written up to anywhere") {
        for (auto size = fs::file_size(log); size > 0;
             size -= std::min<std::uintmax_t>(size, 517)) {
            fs::resize_file(log, size);
            CHECK_FALSE(loss(left).any());
        }
        fs::resize_file(log, 0);
        CHECK_FALSE(loss(left).any());
        fs::remove(log);
        CHECK_FALSE(loss(left).any());
    }
    SECTION("over an older log") {
        fill(source, 8, 500);
        leave(running, left);
        const auto found = loss(left);
        CHECK_FALSE(found.any());
        // It was begun anew: the older frames are behind.
        REQUIRE(found.played < frames(left));
        REQUIRE(get(log, 12, 4) != std::string(4, '\0'));
        CHECK_FALSE(open(left).damage());
    }
    SECTION("an unfinished one, and shorter ones over it after the next start") {
        REQUIRE(source.finished("job-1", JobState::done, std::string(100'000, 'x'), "", 5));
        leave(running, left);
        fs::resize_file(log, frame(frames(left) - 1));
        {
            auto store = open(left);
            CHECK_FALSE(store.damage());
            REQUIRE(store.submit(job("new")));
            const Directory again;
            leave(left, again);
            REQUIRE(loss(again).played < frames(again));
            CHECK_FALSE(loss(again).any());
        }
    }
}

TEST_CASE("log: whatever stands in it, a job is there or a damage is said") {
    constexpr int jobs = 12;
    const Directory running, left;
    auto source = open(running);
    fill(source, 0, jobs);
    leave(running, left);
    const auto size = fs::file_size(left.file("-wal"));
    std::mt19937 random(20);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    const auto below = [&](std::uint64_t end) { return random() % end; };
    int said = 0;
    for (int round = 0; round < 60; ++round) {
        const Directory mutated;
        leave(left, mutated);
        const auto log = mutated.file("-wal");
        for (auto changes = 1 + below(3); changes > 0; --changes) {
            // Every other one in the header of a frame.
            const auto at = below(2) == 0 ? below(size) : frame(below(frames(left))) + below(24);
            const auto bytes = below(4) == 0 ? 1 + below(5000) : 1;
            std::string garbage(std::min(bytes, size - at), '\0');
            for (auto& byte : garbage) byte = static_cast<char>(random());
            set(log, at, garbage);
        }
        const bool cut = round % 8 == 7;
        if (cut) fs::resize_file(log, below(size));
        INFO("round " << round);
        auto store = JobStore::open(mutated.path, 1000);
        REQUIRE(store);
        said += store->damage().has_value();
        // A log that was cut is like one whose writer was killed.
        if (!cut && !store->damage()) CHECK(jobs_there(*store, jobs) == jobs);
        CHECK(store->submit(job("new")));
    }
    CHECK(said > 30);
}
