// SPDX-License-Identifier: BSD-2-Clause
// The database is found damaged while jobs run.
#include "daemon/records.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace {

using namespace ksms;
namespace fs = std::filesystem;

struct Desk {
    Desk() {
        auto name = (fs::temp_directory_path() / "ksms-records-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        directory = name;
        auto store = JobStore::open(directory);
        REQUIRE(store);
        records = std::make_unique<Records>(io, std::move(*store), directory);
    }
    Desk(const Desk&) = delete;
    Desk& operator=(const Desk&) = delete;
    ~Desk() {
        records.reset();
        fs::remove_all(directory);
    }

    /// Waits for the value that `call` passes to `then`.
    template <typename T, typename Call>
    Result<T> await(Call call) {
        std::optional<Result<T>> result;
        call([&](Result<T> got) { result = std::move(got); });
        while (!result) io.run_one();
        return std::move(*result);
    }
    Result<Job> find(const std::string& id) {
        return await<Job>([&](auto then) { records->find(id, then); });
    }

    boost::asio::io_context io;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
        boost::asio::make_work_guard(io)};
    std::string directory;
    std::unique_ptr<Records> records;
};

Job some_job() {
    Job job;
    job.id = "one";
    job.user = "ann";
    job.submitted_at = 100;
    job.request = "{}";
    return job;
}

}  // namespace

TEST_CASE("records: a job that ends after its database was replaced is stored in the new one") {
    Desk desk;
    REQUIRE(desk.await<Submitted>([&](auto then) { desk.records->submit(some_job(), then); }));
    Error damaged;
    damaged.err = EUCLEAN;
    damaged.message = "a page is damaged";
    REQUIRE(desk.records->at_start().repair(damaged));
    REQUIRE_FALSE(desk.find("one"));
    auto over = some_job();
    over.state = JobState::done;
    over.started_at = 101;
    over.finished_at = 102;
    over.dscp = 33;
    over.result = "{\"r\":1}";
    REQUIRE(desk.await<void>(
        [&](auto then) { desk.records->finished(std::make_shared<const Job>(over), then); }));
    const auto found = desk.find("one");
    REQUIRE(found);
    CHECK(found->state == JobState::done);
    CHECK(found->started_at == 101);
    CHECK(found->dscp == 33);
    CHECK(found->result_size == over.result.size());
}

TEST_CASE("records: a query is retried once after corruption, then the database is replaced") {
    Desk desk;
    REQUIRE(desk.await<Submitted>([&](auto then) { desk.records->submit(some_job(), then); }));
    const auto asked = [&](int failures) {
        int calls = 0;
        const auto answer = desk.await<int>([&](auto then) {
            desk.records->ask(
                [&](JobStore&) -> Result<int> {
                    if (++calls <= failures) return fail_errno(EUCLEAN, "a page is damaged");
                    return calls;
                },
                then);
        });
        CHECK(calls == failures + 1);
        return answer.has_value();
    };
    CHECK(asked(1));
    CHECK(desk.find("one"));
    CHECK_FALSE(desk.records->at_start().damage());
    CHECK(asked(2));
    CHECK_FALSE(desk.find("one"));
    REQUIRE(desk.records->at_start().damage());
    CHECK(desk.records->at_start().damage()->what == "a page is damaged");
}
