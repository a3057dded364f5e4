// SPDX-License-Identifier: BSD-2-Clause
// What the programs cost the verifier and each packet, held against bpf/instructions.txt.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "bpf/load.hpp"

namespace {

struct Cost {
    std::uint32_t size{0};      ///< instructions after verification (bpf_prog_info.xlated_prog_len)
    std::uint32_t verified{0};  ///< that the verifier went through (verified_insns)
};

/// The release up to its second number: "6.18".
std::string kernel() {
    utsname name{};
    REQUIRE(::uname(&name) == 0);
    const std::string release = name.release;
    return release.substr(0, release.find('.', release.find('.') + 1));
}

std::map<std::string, Cost> costs_now() {
    const auto skeleton = ksms::load_object("");
    REQUIRE(skeleton.has_value());
    std::map<std::string, Cost> costs;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, (*skeleton)->obj) {
        const int fd = bpf_program__fd(program);
        if (fd < 0) continue;
        bpf_prog_info info{};
        std::uint32_t size = sizeof info;
        REQUIRE(bpf_obj_get_info_by_fd(fd, &info, &size) == 0);
        costs[bpf_program__name(program)] = {info.xlated_prog_len / 8, info.verified_insns};
    }
    return costs;
}

std::string table_of(const std::map<std::string, Cost>& costs) {
    auto text =
        fmt::format("# Linux {}\n# {:<26} {:>6} {:>9}\n", kernel(), "program", "size", "verified");
    for (const auto& [name, cost] : costs)
        text += fmt::format("{:<28} {:>6} {:>9}\n", name, cost.size, cost.verified);
    return text;
}

bool has_grown(std::uint32_t before, std::uint32_t now) {
    return now * 100ull > before * 102ull;
}

TEST_CASE("instructions: no program has grown by more than 2 %", "[instructions]") {
    std::ifstream file(KSMS_SOURCE_DIR "/bpf/instructions.txt");
    REQUIRE(file.is_open());
    std::string line;
    std::getline(file, line);
    if (line != "# Linux " + kernel()) {
        WARN("SKIP: bpf/instructions.txt is of another kernel: " << line);
        return;
    }
    std::map<std::string, Cost> before;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string name;
        Cost cost;
        if (words >> name >> cost.size >> cost.verified) before[name] = cost;
    }
    const auto now = costs_now();
    INFO("if it has to be, write this into bpf/instructions.txt:\n" << table_of(now));
    for (const auto& [name, cost] : now) {
        INFO(name);
        REQUIRE(before.contains(name));
        CHECK_FALSE(has_grown(before[name].size, cost.size));
        CHECK_FALSE(has_grown(before[name].verified, cost.verified));
    }
    for (const auto& [name, cost] : before) {
        INFO(name << " is in bpf/instructions.txt");
        CHECK(now.contains(name));
    }
}

}  // namespace
