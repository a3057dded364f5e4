// SPDX-License-Identifier: BSD-2-Clause
#include "cli/progress.hpp"

#include <catch2/catch.hpp>

using namespace ksms;
using namespace std::chrono_literals;

TEST_CASE("progress: the stage, the services already decided and the time left") {
    CHECK(progress_text({"plan", 0, 0, 0, 600ms, 0s}) == "plan: 0.6 s");
    CHECK(progress_text({"probe", 10, 0, 100, 600ms, 0s}) ==
          "probe: 0 of 100 accounted for (10 sent), 0.6 s");
    CHECK(progress_text({"probe", 60, 25, 100, 1s, 3s}) ==
          "probe: 25 of 100 accounted for (60 sent), 1.0 s, about 3 s left");
    CHECK(progress_text({"settle", 120, 99, 100, 2s, 20ms}) ==
          "settle: 99 of 100 accounted for (120 sent), 2.0 s");
}
