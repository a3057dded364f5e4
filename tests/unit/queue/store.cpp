// SPDX-License-Identifier: BSD-2-Clause
#include "queue/store.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "base/fd.hpp"
#include "directory.hpp"

using namespace ksms;
using namespace ksms::queue_test;
namespace fs = std::filesystem;

namespace {

void sql(const fs::path& file, const char* text) {
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, text, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
}

std::string content(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

int count_jobs(const fs::path& file) {
    sqlite3* database = nullptr;
    int jobs = -1;
    REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
    const auto row = [](void* to, int, char** values, char**) {
        *static_cast<int*>(to) = std::atoi(values[0]);
        return 0;
    };
    CHECK(sqlite3_exec(database, "SELECT count(*) FROM jobs", row, &jobs, nullptr) == SQLITE_OK);
    sqlite3_close(database);
    return jobs;
}

}  // namespace

TEST_CASE("store: a job's way, and all of it after reopening") {
    const Directory directory;
    {
        auto store = open(directory);
        const auto first = store.submit(job("a"));
        REQUIRE(first);
        CHECK_FALSE(first->existed);
        CHECK(first->job.sequence == 1);
        REQUIRE(store.submit(job("b", JobType::detailed)));
        auto again = store.submit(job("a", JobType::detailed, 8));
        REQUIRE(again);
        CHECK(again->existed);
        CHECK(again->job.uid == 7);
        REQUIRE(store.started("a", 33, 101));
        CHECK_FALSE(store.started("a", 34, 101));
        CHECK(store.started("none", 34, 101).error().code == Code::not_found);
        REQUIRE(store.finished("a", JobState::done, "{\"r\":1}", "", 102));
        CHECK_FALSE(store.finished("a", JobState::failed, "", "", 103));
        REQUIRE(store.started("b", {}, 104));
    }
    auto store = open(directory);
    CHECK_FALSE(store.damage());
    const auto a = store.find("a");
    REQUIRE(a);
    CHECK(a->state == JobState::done);
    CHECK(a->dscp == 33);
    CHECK(a->runs == 1);
    CHECK(a->started_at == 101);
    CHECK(a->finished_at == 102);
    CHECK(a->result == "{\"r\":1}");
    CHECK(a->request == job("a").request);
    const auto left = store.unfinished();
    REQUIRE(left);
    REQUIRE(left->size() == 1);
    CHECK(left->front().state == JobState::running);
    REQUIRE(store.requeued("b", RunEnded::interrupted));
    CHECK(store.find("b")->state == JobState::queued);
    CHECK(store.find("b")->runs == 1);
    // Told to make place, as often as you like: that is no reason to give it up.
    for (int i = 0; i < 5; ++i) {
        REQUIRE(store.started("b", 34, 103));
        CHECK(store.find("b")->runs == 2);
        REQUIRE(store.requeued("b", RunEnded::given_back));
        CHECK(store.find("b")->runs == 1);
    }
    CHECK(store.counts()->at({JobState::queued, JobType::detailed}) == 1);
    struct stat status{};
    REQUIRE(stat(directory.file().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("store: what was acknowledged is there after kill -9, nobody else gets in meanwhile") {
    const Directory directory;
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const auto child = fork();
    if (child == 0) {
        auto store = JobStore::open(directory.path);
        for (int i = 0; store; ++i) {
            if (!store->submit(job("job-" + std::to_string(i))) ||
                write(ends[1], &i, sizeof i) != sizeof i)
                break;
        }
        _exit(1);
    }
    const Fd in(ends[0]);
    close(ends[1]);
    int last = -1;
    while (last < 50) REQUIRE(read(in.get(), &last, sizeof last) == sizeof last);
    const auto second = JobStore::open(directory.path);
    REQUIRE_FALSE(second);
    CHECK(second.error().err == EBUSY);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    while (read(in.get(), &last, sizeof last) == sizeof last) {
    }
    auto store = open(directory);
    CHECK_FALSE(store.damage());
    for (int i = 0; i <= last; ++i) CHECK(store.find("job-" + std::to_string(i)));
}

TEST_CASE("store: a full disk changes nothing, and it goes on when there is room") {
    const Directory directory;
    SECTION("the database may not grow") {
        auto store = open(directory, {.max_pages = 40});
        REQUIRE(store.submit(job("a")));
        const auto full = store.finished("a", JobState::done, std::string(1'000'000, 'x'), "", 5);
        REQUIRE_FALSE(full);
        CHECK(full.error().err == ENOSPC);
        CHECK(store.find("a")->state == JobState::queued);
        CHECK(store.finished("a", JobState::done, "{}", "", 5));
    }
    SECTION("the file may not grow") {
        auto store = open(directory);
        REQUIRE(store.submit(job("a")));
        auto* const before = signal(SIGXFSZ, SIG_IGN);
        rlimit limit{};
        getrlimit(RLIMIT_FSIZE, &limit);
        auto low = limit;
        low.rlim_cur = fs::file_size(directory.file("-wal"));
        setrlimit(RLIMIT_FSIZE, &low);
        const auto full = store.submit(job("b"));
        setrlimit(RLIMIT_FSIZE, &limit);
        (void)signal(SIGXFSZ, before);
        REQUIRE_FALSE(full);
        // SQLite does not always pass on what the kernel said.
        CHECK((full.error().err == EFBIG || full.error().err == EIO));
        CHECK_FALSE(store.find("b"));
        REQUIRE(store.submit(job("b")));
        CHECK(store.writable());
        CHECK(store.unfinished()->size() == 2);
    }
}

TEST_CASE("store: a damaged database is set aside whole, and an empty one begun and said") {
    const Directory directory;
    {
        auto store = open(directory);
        fill(store, 0, 400);
    }
    SECTION("its first page") {
        overwrite(directory.file(), 0, 4096);
    }
    SECTION("its header") {
        overwrite(directory.file(), 0, 60);
    }
    SECTION("a page") {
        const auto page = GENERATE(as<std::uint64_t>{}, 2, 10, 15, 19);
        REQUIRE(page * 4096 < fs::file_size(directory.file()));
        overwrite(directory.file(), page * 4096, 4096);
    }
    SECTION("emptied") {
        fs::resize_file(directory.file(), 0);
    }
    SECTION("cut") {
        fs::resize_file(directory.file(), 5 * 4096);
    }
    const auto damaged = content(directory.file());
    {
        auto store = open(directory);
        REQUIRE(store.damage());
        CHECK_FALSE(store.damage()->what.empty());
        CHECK(store.damage()->set_aside == directory.file(".damaged-1"));
        CHECK(content(directory.file(".damaged-1")) == damaged);
        CHECK(store.unfinished()->empty());
        CHECK(store.submit(job("new")));
    }
    {
        auto store = open(directory);
        CHECK(store.find("new"));
        REQUIRE(store.damage());  // as long as the file is there
        CHECK(store.damage()->hint().find(directory.file(".damaged-1").string() + " .recover") !=
              std::string::npos);
        CHECK_FALSE(fs::exists(directory.file(".damaged-2")));
    }
    fs::remove(directory.file(".damaged-1"));
    CHECK_FALSE(open(directory).damage());
}

TEST_CASE("store: the log goes with the database, under a number that is not in use") {
    const Directory directory, left;
    auto store = open(directory);
    fill(store, 0, 50);
    // As after a kill -9.
    for (const char* more : {"", "-wal"}) fs::copy_file(directory.file(more), left.file(more));
    std::ofstream(left.file(".damaged-1")) << "an earlier one";
    std::ofstream(left.file(".damaged-7-wal")) << "an earlier log";
    const auto log = content(left.file("-wal"));
    REQUIRE(log.size() > 4096);
    const auto aside = left.file(".damaged-8");
    SECTION("the database is damaged") {
        // Its first page stands in the log as well: cut, it has no other.
        fs::resize_file(left.file(), 0);
        CHECK(open(left).damage()->set_aside == aside);
        CHECK(fs::exists(aside));
    }
    SECTION("the database is missing") {
        fs::remove(left.file());
        CHECK(open(left).damage()->set_aside == left.file(".damaged-8-wal"));
    }
    SECTION("kill -9 came between the two") {
        fs::rename(left.file(), aside);
        std::ofstream(left.file(".new")) << "not complete";
        CHECK(open(left).damage()->set_aside == aside);
        // SQLite has all of it.
        CHECK(count_jobs(aside) == 50);
        return;
    }
    CHECK(content(left.file(".damaged-8-wal")) == log);
    CHECK(content(left.file(".damaged-1")) == "an earlier one");
    CHECK(content(left.file(".damaged-7-wal")) == "an earlier log");
    CHECK(open(left).unfinished()->empty());
}

TEST_CASE("store: sixteen damaged ones are kept, the first of them for good") {
    const Directory directory;
    for (int i = 1; i <= 20; ++i) {
        std::ofstream(directory.file()) << "damage " << i;
        REQUIRE(open(directory).damage()->set_aside ==
                directory.file(".damaged-" + std::to_string(i)));
    }
    CHECK(content(directory.file(".damaged-15")) == "damage 15");
    CHECK_FALSE(fs::exists(directory.file(".damaged-16")));
    CHECK_FALSE(fs::exists(directory.file(".damaged-19")));
    CHECK(content(directory.file(".damaged-20")) == "damage 20");
}

TEST_CASE("store: what SQLite finds damaged while it runs is set aside, and sequences go on") {
    const Directory directory;
    {
        auto store = open(directory);
        fill(store, 0, 400);
        // More than SQLite keeps in memory.
        REQUIRE(store.finished("job-0", JobState::done, std::string(5'000'000, 'x'), "", 5));
    }
    auto store = open(directory);
    overwrite(directory.file(), 2 * 4096, fs::file_size(directory.file()) - 2 * 4096);
    Result<Job> found = Job{};
    for (int i = 0; found && i < 400; ++i) found = store.find("job-" + std::to_string(i));
    REQUIRE_FALSE(found);
    REQUIRE(JobStore::is_damage(found.error()));
    REQUIRE(store.repair(found.error()));
    REQUIRE(store.damage());
    CHECK(store.damage()->what == found.error().message);
    CHECK(fs::exists(directory.file(".damaged-1")));
    CHECK(store.unfinished()->empty());
    CHECK(store.submit(job("new"))->job.sequence == 401);
}

TEST_CASE("store: what is not ours is refused and left alone") {
    const Directory directory;
    SECTION("a directory") {
        fs::create_directory(directory.file());
    }
    SECTION("a symbolic link") {
        fs::create_symlink("elsewhere", directory.file());
    }
    SECTION("another program's") {
        sql(directory.file(), "PRAGMA application_id=5; CREATE TABLE t(a)");
    }
    SECTION("a newer one") {
        (void)open(directory);
        sql(directory.file(), "PRAGMA user_version=99");
    }
    const auto store = JobStore::open(directory.path);
    REQUIRE_FALSE(store);
    CHECK_FALSE(store.error().hint.empty());
    CHECK(fs::exists(fs::symlink_status(directory.file())));
    CHECK_FALSE(fs::exists(directory.file(".damaged-1")));
}

TEST_CASE("store: the oldest finished jobs go, by time, number and bytes") {
    const Directory directory;
    auto store = open(directory);
    fill(store, 0, 10);
    for (int i = 0; i < 6; ++i)
        REQUIRE(store.finished("job-" + std::to_string(i), JobState::done, "12345", "", 100 + i));
    CHECK(store.prune(200, {})->removed == 0);
    CHECK(store.prune(152, {.seconds = 50, .count = {}, .bytes = {}})->removed == 2);
    CHECK(store.prune(152, {.seconds = {}, .count = 3, .bytes = {}})->removed == 1);
    CHECK(store.prune(152, {.seconds = {}, .count = {}, .bytes = 10})->removed == 1);
    CHECK_FALSE(store.find("job-3"));
    CHECK(store.find("job-4")->result == "12345");
    CHECK(store.unfinished()->size() == 4);
}

TEST_CASE("store: a list filters, turns pages, and reads no results") {
    const Directory directory;
    auto store = open(directory);
    fill(store, 0, 20);
    REQUIRE(store.submit(job("other", JobType::fast, 8)));
    REQUIRE(store.finished("job-3", JobState::done, std::string(5'000'000, 'x'), "", 5));
    JobFilter filter;
    filter.uid = 7;
    filter.limit = 5;
    filter.before = 11;
    const auto page = store.list(filter);
    REQUIRE(page);
    REQUIRE(page->size() == 5);
    CHECK(page->front().id == "job-9");
    filter = {};
    filter.states = {JobState::done, JobState::failed};
    const auto done = store.list(filter);
    REQUIRE(done);
    REQUIRE(done->size() == 1);
    CHECK(done->front().result.empty());
    CHECK(done->front().request.empty());
    CHECK(done->front().result_size == 5'000'000);
    filter = {};
    filter.type = JobType::detailed;
    CHECK(store.list(filter)->empty());
    filter.type = JobType::fast;
    filter.user = "nobody of that name";
    CHECK(store.list(filter)->empty());
}

TEST_CASE("store: who has most finished jobs loses the oldest of them, and nobody else any") {
    const Directory directory;
    auto store = open(directory);
    const auto end = [&store](const std::string& id, uid_t uid, double at) {
        REQUIRE(store.submit(job(id, JobType::fast, uid)));
        REQUIRE(store.finished(id, JobState::done, "12345", "", at));
    };
    end("theirs-1", 8, 100);
    end("theirs-2", 8, 101);
    for (int i = 0; i < 20; ++i) end("mine-" + std::to_string(i), 7, 200 + i);
    SECTION("by number") {
        CHECK(store.prune(300, {.seconds = {}, .count = 6, .bytes = {}})->removed == 16);
    }
    SECTION("by bytes") {
        CHECK(store.prune(300, {.seconds = {}, .count = {}, .bytes = 30})->removed == 16);
    }
    CHECK(store.find("theirs-1"));
    CHECK(store.find("theirs-2"));
    CHECK(store.find("mine-16"));
    CHECK_FALSE(store.find("mine-15"));
}
