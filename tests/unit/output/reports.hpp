// SPDX-License-Identifier: BSD-2-Clause
// Reports made by hand.
#pragma once

#include <netinet/in.h>

#include <string>
#include <string_view>
#include <vector>

#include "judge/report.hpp"

namespace ksms {

/// A report whose routers' answers are drawn: one letter a router and service, Y, N, ?, - or a dot.
class ReportBuilder {
public:
    explicit ReportBuilder(const std::vector<std::string>& routers,
                           const std::vector<std::string>& entries = {"ts-hq"});
    /// @param cells  as many letters as there are routers, those of the first entry first
    /// @param reason  the kernel's of a NO, in FORWARD; of an UNKNOWN as documents have it
    /// @param text  what the cause needs beside (Cause::text)
    ReportBuilder& add(std::uint8_t protocol, std::uint16_t port, std::string_view cells,
                       const std::string& reason = "", const std::string& text = "");
    /// Of the last service: how often it was sent, and what a router changed.
    ReportBuilder& sent(std::uint32_t times);
    ReportBuilder& changed(RouterIndex router, const Change& change);
    Report report;

private:
    TextIndex text(const std::string& text);
};

/// The Why that documents call so; send_failed for what has no fixed word.
Why why_of(std::string_view reason);

/// The example of the documentation.
Report example_report();

}  // namespace ksms
