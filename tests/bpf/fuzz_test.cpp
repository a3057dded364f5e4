// SPDX-License-Identifier: BSD-2-Clause
// Random packets through every tap, held against a parser that was written from the RFCs alone.
// scripts/fuzz runs many of them; a test run a few.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "expectation.hpp"
#include "ksms.skel.h"
#include "packet_maker.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

/// Counters are compared after so many packets; what they say of the last packet alone, and flags
/// that stay set, want small batches now and then.
std::uint32_t size_of_batch(std::uint64_t number) {
    return number % 7 == 0 ? 16 : 1024;
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

std::string hex(const Bytes& frame) {
    std::string text;
    for (const unsigned octet : frame) text += fmt::format("{:02x}", octet);
    return text;
}

/// Both families and both stores at once, so that a packet may be taken for another scan's.
const std::vector<ScanSpec> scans{
    {.dscp = 33},
    {.dscp = 34, .family = 6},
    {.dscp = 40, .generation = 0x2ff, .store = KSMS_STORE_DENSE},
    {.dscp = 63, .generation = 0, .family = 6, .store = KSMS_STORE_DENSE},
};

class Fuzz {
public:
    explicit Fuzz(std::uint64_t seed)
        : seed_(seed), expecting_(bench_, scans), maker_(bench_, scans) {
        for (const TapProgram& one : tap_programs)
            if (bench_.can_run(one)) programs_.push_back(one);
    }

    /// @return what is wrong, "" if nothing is
    std::string run(std::uint64_t packets) {
        for (std::uint64_t number = 0; total_ < static_cast<double>(packets); number++) {
            const auto wrong = batch(number);
            if (!wrong.empty()) return wrong;
        }
        return {};
    }

    /// The share of the packets that were probes: how much of the run was to the point.
    [[nodiscard]] double own() const { return own_ / total_; }

private:
    [[nodiscard]] int descriptor(const TapProgram& program) const {
        return bpf_program__fd(
            bpf_object__find_program_by_name(bench_.skeleton().obj, program.name));
    }

    /// A test run of a TC program takes no frame that ends in an IP header, unless a tag hides it.
    static bool can_take(const TapProgram& program, const Bytes& frame) {
        if (program.kind == KSMS_TAP_XDP) return true;
        const unsigned type = frame[12] * 256U + frame[13];
        return frame.size() >= 14U + (type == 0x0800 ? 20 : type == 0x86dd ? 40 : 1);
    }

    void begin(const TapProgram& program, std::uint32_t counted) {
        bench_.clear();
        for (const ScanSpec& scan : scans) bench_.install(scan);
        for (const ScanSpec& scan : scans)
            if (scan.dscp != counted) bench_.tap(program, scan.dscp);
        bench_.tap(program, counted);
    }

    /// @return false: not handed on as it was
    bool handed_on(int program, int expected, const Bytes& frame) {
        out_.resize(frame.size() + 64);
        bpf_test_run_opts options{};
        options.sz = sizeof options;
        options.data_in = frame.data();
        options.data_size_in = static_cast<std::uint32_t>(frame.size());
        options.data_out = out_.data();
        options.data_size_out = static_cast<std::uint32_t>(out_.size());
        return bpf_prog_test_run_opts(program, &options) == 0 &&
               static_cast<int>(options.retval) == expected &&
               options.data_size_out == frame.size() &&
               std::equal(frame.begin(), frame.end(), out_.begin());
    }

    std::string wrong(const TapProgram& program, const Expectation& expected) const {
        return expected.difference(expecting_.read(bench_, program)) +
               expecting_.wrong_translation(bench_, program, expected);
    }

    std::string batch(std::uint64_t number) {
        const TapProgram& program = programs_[number % programs_.size()];
        const std::uint32_t counted = scans[number / programs_.size() % scans.size()].dscp;
        const int fd = descriptor(program);
        maker_.seed(seed_ ^ number * 0x9e3779b97f4a7c15);
        begin(program, counted);
        Expectation expected;
        frames_.clear();
        while (frames_.size() < size_of_batch(number)) {
            Bytes frame = maker_.next();
            if (!can_take(program, frame)) continue;
            expecting_.add(expected, program, counted, frame);
            if (!handed_on(fd, program.hands_on, frame))
                return complaint(program, number, frame, "not handed on as it came");
            frames_.push_back(std::move(frame));
        }
        own_ += static_cast<double>(expected.own);
        total_ += static_cast<double>(frames_.size());
        if (wrong(program, expected).empty()) return {};
        return one_by_one(program, counted, number, wrong(program, expected));
    }

    /// Which packet of the batch it was.
    std::string one_by_one(const TapProgram& program, std::uint32_t counted, std::uint64_t number,
                           const std::string& together) {
        for (const Bytes& frame : frames_) {
            begin(program, counted);
            Expectation expected;
            expecting_.add(expected, program, counted, frame);
            handed_on(descriptor(program), program.hands_on, frame);
            const auto found = wrong(program, expected);
            if (!found.empty()) return complaint(program, number, frame, found);
        }
        return complaint(program, number, {}, "no packet by itself, but together:\n" + together);
    }

    [[nodiscard]] std::string complaint(const TapProgram& program, std::uint64_t number,
                                        const Bytes& frame, const std::string& what) const {
        return fmt::format("seed {}, batch {}, {}: {}\n{}\n", seed_, number, program.name,
                           hex(frame), what);
    }

    std::uint64_t seed_;
    Bench bench_;
    Expecting expecting_;
    PacketMaker maker_;
    std::vector<TapProgram> programs_;
    std::vector<Bytes> frames_;
    Bytes out_;
    double own_{0}, total_{0};
};

void fuzz(std::uint64_t seed, std::uint64_t packets) {
    Fuzz fuzz(seed);
    const auto wrong = fuzz.run(packets);
    INFO(wrong);
    CHECK(wrong.empty());
    CHECK(fuzz.own() > 0.1);
    std::printf("%llu packets, %.0f %% of them probes\n", static_cast<unsigned long long>(packets),
                100 * fuzz.own());
}

}  // namespace

TEST_CASE("random packets are counted as a parser from the RFCs says") {
    fuzz(1, 200'000);
}

TEST_CASE("many random packets", "[.fuzz]") {
    fuzz(number_from("KSMS_FUZZ_SEED", 1), number_from("KSMS_FUZZ_COUNT", 10'000'000));
}
