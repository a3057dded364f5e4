// SPDX-License-Identifier: BSD-2-Clause
// The text format of Prometheus, version 0.0.4.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/histogram.hpp"

namespace ksms {

class MetricsText {
public:
    /// @param type  "gauge", "counter" or "histogram"
    void head(const std::string& name, const char* type, const char* help) {
        text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    }
    /// @param labels  `state="queued",type="fast"`; "": none
    template <typename T>
    void value(const std::string& name, const std::string& labels, const T& number) {
        text_ += labels.empty() ? fmt::format("{} {}\n", name, number)
                                : fmt::format("{}{{{}}} {}\n", name, labels, number);
    }
    /// A metric with a single value.
    template <typename T>
    void one(const std::string& name, const char* type, const char* help, const T& number) {
        head(name, type, help);
        value(name, "", number);
    }
    /// The values of a histogram, without its head.
    void histogram(const std::string& name, const std::string& labels, const Histogram& of) {
        const auto more = labels.empty() ? std::string() : labels + ",";
        for (std::size_t i = 0; i < Histogram::bounds.size(); ++i)
            value(name + "_bucket", fmt::format("{}le=\"{}\"", more, Histogram::bounds.at(i)),
                  of.bucket(i));
        value(name + "_bucket", more + "le=\"+Inf\"", of.count());
        value(name + "_sum", labels, of.sum());
        value(name + "_count", labels, of.count());
    }
    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    std::string text_;
};

}  // namespace ksms
