// SPDX-License-Identifier: BSD-2-Clause
// A temporary queue directory, test jobs, and ways to damage the database.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "queue/store.hpp"

namespace ksms::queue_test {

namespace fs = std::filesystem;

/// A temporary directory, removed by the destructor.
struct Directory {
    Directory() {
        auto name = (fs::temp_directory_path() / "ksms-queue-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Directory() { fs::remove_all(path); }
    [[nodiscard]] fs::path file(const std::string& more = "") const {
        return path / ("jobs.db" + more);
    }
    fs::path path;
};

inline JobStore open(const Directory& directory, const StoreOptions& options = {}) {
    auto store = JobStore::open(directory.path, options);
    if (!store) FAIL(store.error().text());
    return std::move(*store);
}

inline Job job(const std::string& id, JobType type = JobType::fast, uid_t uid = 7) {
    Job result;
    result.id = id;
    result.type = type;
    result.uid = uid;
    result.user = "ann";
    result.submitted_at = 100;
    result.request = R"({"services":"80/tcp"})";
    return result;
}

inline void fill(JobStore& store, int from, int to) {
    for (int i = from; i < to; ++i) REQUIRE(store.submit(job("job-" + std::to_string(i))));
}

inline void overwrite(const fs::path& file, std::uint64_t at, std::size_t size) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(at));
    stream << std::string(size, '\xa5');
}

}  // namespace ksms::queue_test
