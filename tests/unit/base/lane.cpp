// SPDX-License-Identifier: BSD-2-Clause
#include "base/lane.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <vector>

using namespace ksms;

TEST_CASE("lane: tasks run in order on one thread, and the destructor waits for all of them") {
    std::vector<int> done;
    std::thread::id its;
    {
        Lane lane("test");
        for (int i = 0; i < 1000; ++i)
            lane.run([&, i] {
                its = std::this_thread::get_id();
                done.push_back(i);
            });
    }
    REQUIRE(done.size() == 1000);
    CHECK(std::ranges::is_sorted(done));
    CHECK(its != std::this_thread::get_id());
}

TEST_CASE("lane: busy_for shows a task that hangs, and abandon does not wait for it") {
    // The task may outlive the lane, so it shares ownership of what it uses.
    auto open = std::make_shared<std::promise<void>>();
    auto begun = std::make_shared<std::promise<void>>();
    const auto late = std::make_shared<std::atomic<bool>>(false);
    {
        Lane lane("test", Lane::AtEnd::abandon);
        CHECK(lane.pending() == 0);
        CHECK(lane.busy_for().count() == 0);
        lane.run([open, begun] {
            begun->set_value();
            open->get_future().wait();
        });
        lane.run([late] { *late = true; });
        begun->get_future().wait();
        CHECK(lane.pending() == 2);
        CHECK(lane.busy_for().count() > 0);
    }
    open->set_value();
    CHECK_FALSE(*late);
}
