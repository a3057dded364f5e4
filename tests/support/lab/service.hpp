// SPDX-License-Identifier: BSD-2-Clause
// A ksmsd of a lab's own: its socket, its database and its pins are the lab's.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lab/lab.hpp"
#include "lab/process.hpp"

namespace ksms::lab {

class Service {
public:
    /// @param config  keys of the configuration beside those that the lab needs
    explicit Service(const Lab& lab, nlohmann::json config = nlohmann::json::object());

    /// Starts it and waits until it answers.
    void start();
    /// kill -9, and waits for its end.
    void kill();
    /// SIGTERM. @return what it ended with
    Outcome stop();
    void signal(int number) const { child_->signal(number); }
    [[nodiscard]] pid_t pid() const { return child_->pid(); }
    [[nodiscard]] std::vector<pid_t> workers() const { return child_->children(); }
    void write_config(const std::string& text) const;
    [[nodiscard]] const nlohmann::json& config() const { return config_; }

    /// `ksmsctl job …` to it.
    [[nodiscard]] Outcome job(const std::vector<std::string>& arguments) const;
    /// The same with -j: its document; discarded where it was none.
    [[nodiscard]] nlohmann::json job_json(const std::vector<std::string>& arguments) const;
    /// `curl --unix-socket`: status line, headers and body.
    [[nodiscard]] std::string curl(const std::string& path,
                                   const std::vector<std::string>& more = {}) const;

private:
    const Lab& lab_;
    nlohmann::json config_;
    std::string file_, socket_;
    std::unique_ptr<Child> child_;
};

}  // namespace ksms::lab
