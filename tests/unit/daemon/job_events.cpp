// SPDX-License-Identifier: BSD-2-Clause
// Events of jobs: who comes late has them all, nobody has one twice.
#include "daemon/job_events.hpp"

#include <fmt/format.h>
#include <catch2/catch.hpp>

namespace {

using namespace ksms;

struct Watcher {
    std::vector<std::string> heard;
    JobEvents::Listener listener() {
        return [this](const JobEvent& event) {
            heard.push_back(fmt::format("{} {} {}", event.sequence, event.name, event.data));
        };
    }
};

}  // namespace

TEST_CASE("a watcher hears what was and what comes, once and in order") {
    JobEvents events;
    events.add("a", "state", "queued");
    Watcher early, late, other;
    const auto first = events.watch("a", 0, early.listener());
    events.add("a", "progress", "1");
    events.add("a", "progress", "2");
    const auto second = events.watch("a", 0, late.listener());
    const auto third = events.watch("b", 0, other.listener());
    events.add("a", "verdict", "22");
    events.end("a", "done");
    CHECK(early.heard == std::vector<std::string>{"1 state queued", "2 progress 1", "3 progress 2",
                                                  "4 verdict 22", "5 end done"});
    // Of progress only the last.
    CHECK(late.heard ==
          std::vector<std::string>{"1 state queued", "3 progress 2", "4 verdict 22", "5 end done"});
    CHECK(other.heard.empty());
}

TEST_CASE("who comes again hears what he has missed, a number that never was is none") {
    JobEvents events;
    events.add("a", "state", "queued");
    events.add("a", "state", "running");
    Watcher again, lost;
    const auto first = events.watch("a", 1, again.listener());
    const auto second = events.watch("a", 77, lost.listener());
    CHECK(again.heard == std::vector<std::string>{"2 state running"});
    CHECK(lost.heard.size() == 2);
}

TEST_CASE("who has gone hears nothing, also where he went while he was called") {
    JobEvents events;
    Watcher watcher;
    Subscription itself;
    int calls = 0;
    itself = events.watch("a", 0, [&](const JobEvent&) { ++calls; });
    {
        const auto gone = events.watch("a", 0, watcher.listener());
        events.add("a", "state", "queued");
    }
    events.add("a", "state", "running");
    CHECK(watcher.heard.size() == 1);
    CHECK(calls == 2);
    itself.reset();
    events.end("a", "done");
    CHECK(calls == 2);
}

TEST_CASE("a job that runs again begins anew, and its numbers go on") {
    JobEvents events;
    events.add("a", "state", "running");
    events.add("a", "verdict", "22");
    events.restart("a");
    events.add("a", "state", "queued");
    Watcher watcher;
    const auto here = events.watch("a", 0, watcher.listener());
    CHECK(watcher.heard == std::vector<std::string>{"3 state queued"});
}

TEST_CASE("events of jobs that are over are forgotten one day, and nothing follows an end") {
    JobEvents events;
    for (int number = 0; number < 200; ++number) {
        const auto id = fmt::format("job-{}", number);
        events.add(id, "state", "queued");
        events.end(id, "done");
        events.add(id, "state", "queued");
    }
    CHECK_FALSE(events.knows("job-0"));
    REQUIRE(events.knows("job-199"));
    Watcher watcher;
    const auto here = events.watch("job-199", 0, watcher.listener());
    CHECK(watcher.heard == std::vector<std::string>{"1 state queued", "2 end done"});
}
