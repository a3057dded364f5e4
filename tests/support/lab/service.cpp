// SPDX-License-Identifier: BSD-2-Clause
#include "lab/service.hpp"

#include <csignal>
#include <fstream>
#include <stdexcept>

#include "lab/ksmsctl.hpp"
#include "lab/wait.hpp"

namespace ksms::lab {

Service::Service(const Lab& lab, nlohmann::json config)
    : lab_(lab),
      config_(std::move(config)),
      file_(lab.directory() + "/ksmsd.json"),
      socket_(lab.directory() + "/s") {
    config_["ksms"]["socket"] = socket_;
    config_["ksms"]["state_directory"] = lab.directory() + "/state";
    write_config(config_.dump(2));
}

void Service::write_config(const std::string& text) const {
    std::ofstream(file_) << text;
}

void Service::start() {
    child_ = std::make_unique<Child>(Command{
        .arguments = {KSMSD, "--foreground", "--config", file_, "--pin-root", lab_.pin_root()},
        .timeout = milliseconds{600'000}});
    if (!eventually([this] {
            return curl("/healthz").find("\"status\"") != std::string::npos ||
                   child_->ended(milliseconds{0});
        }))
        throw std::runtime_error("ksmsd does not answer");
    if (child_->ended(milliseconds{0}))
        throw std::runtime_error("ksmsd ended: " + child_->wait().err);
}

void Service::kill() {
    child_->signal(SIGKILL);
    child_->wait();
}

Outcome Service::stop() {
    child_->signal(SIGTERM);
    return child_->wait();
}

Outcome Service::job(const std::vector<std::string>& arguments) const {
    auto all = arguments;
    all.insert(all.begin(), "job");
    all.insert(all.end(), {"--config", file_});
    return run(ksmsctl(lab_, all));
}

nlohmann::json Service::job_json(const std::vector<std::string>& arguments) const {
    auto all = arguments;
    all.emplace_back("-j");
    return nlohmann::json::parse(job(all).out, nullptr, false);
}

std::string Service::curl(const std::string& path, const std::vector<std::string>& more) const {
    Command command{.arguments = {"curl", "-s", "-i", "--max-time", "30", "--unix-socket", socket_,
                                  "http://ksms" + path}};
    command.arguments.insert(command.arguments.end(), more.begin(), more.end());
    return run(command).out;
}

}  // namespace ksms::lab
