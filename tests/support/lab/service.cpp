// SPDX-License-Identifier: BSD-2-Clause
#include "lab/service.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/wait.hpp"

namespace ksms::lab {

std::vector<std::string> submit(const Lab& lab, const std::string& ports,
                                const std::vector<std::string>& more) {
    std::vector<std::string> arguments{
        "submit", "-s", chain_source(lab, 4), "-d", chain_destination(lab, 4), "-P", ports};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

std::size_t leases(const Lab& lab) {
    const auto list = nlohmann::json::parse(run(ksmsctl(lab, {"registry", "list", "-j"})).out);
    return list["leases"].size();
}

namespace {

Command as(const Client& client, Command command) {
    std::vector<std::string> before{
        "setpriv", fmt::format("--reuid={}", client.uid), fmt::format("--regid={}", client.gid),
        client.groups.empty() ? std::string("--clear-groups")
                              : fmt::format("--groups={}", fmt::join(client.groups, ","))};
    command.arguments.insert(command.arguments.begin(), before.begin(), before.end());
    return command;
}

}  // namespace

Service::Service(const Lab& lab, nlohmann::json config)
    : lab_(lab), config_(std::move(config)), file_(lab.directory() + "/ksmsd.json") {
    for (int number = 2; std::filesystem::exists(file_); ++number)
        file_ = fmt::format("{}/ksmsd{}.json", lab.directory(), number);
    auto& ours = config_["ksms"];
    if (!ours.contains("socket")) ours["socket"] = lab.directory() + "/s";
    if (!ours.contains("state_directory")) ours["state_directory"] = lab.directory() + "/state";
    socket_ = ours["socket"];
    write_config(config_.dump(2));
}

void Service::write_config(const std::string& text) const {
    std::ofstream(file_) << text;
}

void Service::launch(const ServiceStart& how) {
    Command command{
        .arguments = {KSMSD, "--foreground", "--config", file_, "--pin-root", lab_.pin_root()},
        .environment = how.environment,
        .timeout = milliseconds{600'000},
        .descriptors = how.descriptors};
    if (!how.before.empty()) {
        const std::vector<std::string> shell{"unshare",
                                             "--mount",
                                             "--propagation",
                                             mount_propagation(),
                                             "sh",
                                             "-euc",
                                             how.before + "\nexec \"$@\"",
                                             "sh"};
        command.arguments.insert(command.arguments.begin(), shell.begin(), shell.end());
    }
    child_ = std::make_unique<Child>(command);
}

void Service::start(const ServiceStart& how) {
    launch(how);
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

std::string status_line(pid_t pid, const std::string& name) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(name + ":"))
            return line.substr(line.find_first_not_of(" \t", name.size() + 1));
    return {};
}

std::size_t descriptors_of(pid_t pid) {
    std::error_code gone;
    const std::filesystem::directory_iterator open(fmt::format("/proc/{}/fd", pid), gone);
    return gone ? 0 : static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

std::vector<pid_t> Service::children(const std::string& name) const {
    auto found = child_->children();
    std::erase_if(found, [&name](pid_t pid) { return status_line(pid, "Name") != name; });
    return found;
}

pid_t Service::front() const {
    const auto found = children("ksmsd-front");
    return found.empty() ? -1 : found.front();
}

long Service::resident() const {
    long sum = 0;
    for (const pid_t pid : {child_->pid(), front()}) {
        const auto kib = status_line(pid, "VmRSS");
        if (!kib.empty()) sum += std::stol(kib);
    }
    return sum;
}

std::size_t Service::descriptors() const {
    return descriptors_of(child_->pid()) + descriptors_of(front());
}

std::unique_ptr<Child> Service::begin_job(const std::vector<std::string>& arguments) const {
    return std::make_unique<Child>(job_command(arguments));
}

std::string Service::log() {
    [[maybe_unused]] const bool over = child_->ended(milliseconds{0});
    return child_->err();
}

Command Service::job_command(const std::vector<std::string>& arguments) const {
    auto all = arguments;
    all.insert(all.begin(), "job");
    all.insert(all.end(), {"--config", file_});
    return ksmsctl(lab_, all);
}

Outcome Service::job(const std::vector<std::string>& arguments) const {
    return run(job_command(arguments));
}

Outcome Service::job_by(const Client& client, const std::vector<std::string>& arguments) const {
    return run(as(client, job_command(arguments)));
}

nlohmann::json Service::job_json(const std::vector<std::string>& arguments) const {
    auto all = arguments;
    all.emplace_back("-j");
    return nlohmann::json::parse(job(all).out, nullptr, false);
}

nlohmann::json Service::job_json_by(const Client& client,
                                    const std::vector<std::string>& arguments) const {
    auto all = arguments;
    all.emplace_back("-j");
    return nlohmann::json::parse(job_by(client, all).out, nullptr, false);
}

Command Service::curl_command(const std::string& path, const std::vector<std::string>& more) const {
    Command command{.arguments = {"curl", "-s", "-i", "--max-time", "30", "--unix-socket", socket_,
                                  "http://ksms" + path}};
    command.arguments.insert(command.arguments.end(), more.begin(), more.end());
    return command;
}

std::string Service::state_of(const std::string& id) const {
    return job_json({"show", id}).value("state", "none");
}

std::string Service::curl(const std::string& path, const std::vector<std::string>& more) const {
    return run(curl_command(path, more)).out;
}

std::string Service::curl_by(const Client& client, const std::string& path,
                             const std::vector<std::string>& more) const {
    return run(as(client, curl_command(path, more))).out;
}

nlohmann::json Service::get(const std::string& path) const {
    const auto answer = curl(path);
    const auto body = answer.find("\r\n\r\n");
    return nlohmann::json::parse(body == std::string::npos ? "" : answer.substr(body), nullptr,
                                 false);
}

double Service::metric(const std::string& name) const {
    const auto text = curl("/metrics");
    const auto line = text.find("\n" + name + " ");
    return line == std::string::npos ? -1 : std::stod(text.substr(line + name.size() + 2));
}

}  // namespace ksms::lab
