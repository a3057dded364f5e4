// SPDX-License-Identifier: BSD-2-Clause
// A ksmsd of a lab's own: its socket, its database and its pins are the lab's.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lab/lab.hpp"
#include "lab/process.hpp"
#include "lab/users.hpp"

namespace ksms::lab {

/// How ksmsd is started.
struct ServiceStart {
    /// Lines of a shell that runs before it, and becomes it: its $$ is ksmsd's PID. Mounts that are
    /// made here are its own.
    std::string before{};
    std::map<std::string, std::string> environment{};
    std::vector<int> descriptors{};  ///< passed on as 3, 4, …
};

/// `ksmsctl job submit` of services over the standard chain, for Service::job().
[[nodiscard]] std::vector<std::string> submit(const Lab& lab, const std::string& ports,
                                              const std::vector<std::string>& more = {});
/// How many DSCPs are held.
[[nodiscard]] std::size_t leases(const Lab& lab);

/// Open in a process.
[[nodiscard]] std::size_t descriptors_of(pid_t pid);
/// A line of /proc/PID/status, without its name and the blanks around it; "" where there is none.
[[nodiscard]] std::string status_line(pid_t pid, const std::string& name);

class Service {
public:
    /// @param config  keys of the configuration beside those that the lab needs; a socket or state
    ///                directory that it names is taken
    explicit Service(const Lab& lab, nlohmann::json config = nlohmann::json::object());

    /// Starts it and waits until it answers.
    void start(const ServiceStart& how = {});
    /// Starts it.
    void launch(const ServiceStart& how = {});
    /// What it ended with by itself; the time is over after a minute.
    Outcome wait() { return child_->wait(); }
    [[nodiscard]] bool ended(milliseconds within) { return child_->ended(within); }
    /// What it said so far.
    [[nodiscard]] std::string log();
    /// kill -9, and waits for its end.
    void kill();
    /// SIGTERM. @return what it ended with
    Outcome stop();
    void signal(int number) const { child_->signal(number); }
    [[nodiscard]] pid_t pid() const { return child_->pid(); }
    /// KiB in memory, of ksmsd and its front.
    [[nodiscard]] long resident() const;
    /// Of ksmsd and its front.
    [[nodiscard]] std::size_t descriptors() const;
    [[nodiscard]] std::vector<pid_t> workers() const { return children("ksmsd-worker"); }
    /// The process that speaks HTTP; -1: there is none now.
    [[nodiscard]] pid_t front() const;
    void write_config(const std::string& text) const;
    [[nodiscard]] const nlohmann::json& config() const { return config_; }

    [[nodiscard]] const std::string& socket() const { return socket_; }

    /// `ksmsctl job …` to it.
    [[nodiscard]] Outcome job(const std::vector<std::string>& arguments) const;
    /// The same, while it runs.
    [[nodiscard]] std::unique_ptr<Child> begin_job(const std::vector<std::string>& arguments) const;
    /// The same with -j: its document; discarded where it was none.
    [[nodiscard]] nlohmann::json job_json(const std::vector<std::string>& arguments) const;
    /// "none" where there is no such job.
    [[nodiscard]] std::string state_of(const std::string& id) const;
    /// `curl --unix-socket`: status line, headers and body.
    [[nodiscard]] std::string curl(const std::string& path,
                                   const std::vector<std::string>& more = {}) const;
    /// The body of that, as JSON.
    [[nodiscard]] nlohmann::json get(const std::string& path) const;
    /// The figure of a line of /metrics that begins so; -1 where there is none.
    [[nodiscard]] double metric(const std::string& name) const;
    /// The same questions, asked by somebody else.
    [[nodiscard]] Outcome job_by(const Client& client,
                                 const std::vector<std::string>& arguments) const;
    [[nodiscard]] nlohmann::json job_json_by(const Client& client,
                                             const std::vector<std::string>& arguments) const;
    [[nodiscard]] std::string curl_by(const Client& client, const std::string& path,
                                      const std::vector<std::string>& more = {}) const;

private:
    [[nodiscard]] std::vector<pid_t> children(const std::string& name) const;
    [[nodiscard]] Command job_command(const std::vector<std::string>& arguments) const;
    [[nodiscard]] Command curl_command(const std::string& path,
                                       const std::vector<std::string>& more) const;

    const Lab& lab_;
    nlohmann::json config_;
    std::string file_, socket_;
    std::unique_ptr<Child> child_;
};

}  // namespace ksms::lab
