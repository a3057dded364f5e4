// SPDX-License-Identifier: BSD-2-Clause
// ksmsctl job submit|list|show|wait|watch|cancel: a client of ksmsd.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/progress.hpp"
#include "client/client.hpp"
#include "output/text.hpp"
#include "registry/registry.hpp"
#include "request/scan_request.hpp"

namespace ksms {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr double kLongestWait = 31'536'000;  // seconds
// Seconds of one request with `wait`.
constexpr int kWaitEach = 60;

constexpr Option kSocket = {"socket", "PATH", "socket of ksmsd (ksms.socket in the configuration)"};
constexpr Option kWait = {"wait", nullptr, "wait for the job; print and exit as scan does"};

constexpr Option kPlain[] = {kSocket};
constexpr Option kWaiting[] = {kSocket, {"timeout", "SECONDS", "give up after that time (never)"}};
constexpr Option kListing[] = {kSocket,
                               {"state", "STATE", "queued, running, done, failed, …"},
                               {"type", "fast|detailed", "only jobs of this type"},
                               {"user", "NAME", "only jobs of this user (root only)"},
                               {"limit", "N", "only the newest N (100)"}};

std::span<const Option> submit_options() {
    static const std::vector<Option> all = [] {
        auto options = options_of(in_submit);
        options.insert(options.begin(), {kSocket, kWait});
        return options;
    }();
    return all;
}

HttpClient client(const Context& context, const Arguments& arguments) {
    ClientOptions options;
    options.answer = milliseconds((kWaitEach + 30) * 1000);
    options.stopped = [&context] { return context.stop.load() != 0; };
    return HttpClient(arguments.text("socket").value_or(context.config.service.socket), options);
}

Result<HttpResponse> ask(const HttpClient& http, const std::string& method,
                         const std::string& target, const std::string& body = {}) {
    KSMS_TRY(auto answer, http.request(method, target, body));
    if (answer.status >= 400) return std::unexpected(HttpClient::error_of(answer));
    return answer;
}

Result<json> parsed(const HttpResponse& answer) {
    auto document = json::parse(answer.body, nullptr, false);
    if (!document.is_object()) return fail(Code::failed, "the answer of ksmsd is not JSON");
    return document;
}

/// Checks the id, because it becomes part of a target.
Result<std::string> target_of(const std::string& id, const std::string& behind = {}) {
    if (!is_job_name(id))
        return fail(Code::usage,
                    fmt::format("{}: a job's name is 1 to 63 of A-Z a-z 0-9 . _ : @ + -", id));
    std::string target = "/v1/jobs/";
    for (const char letter : id)
        target += letter == '+' ? std::string("%2B") : std::string(1, letter);
    return target + behind;
}

std::string time_text(const json& seconds) {
    if (!seconds.is_number()) return "-";
    return fmt::format("{:%Y-%m-%d %H:%M:%S}",
                       fmt::localtime(static_cast<std::time_t>(seconds.get<double>())));
}

/// The value on one line.
std::string text_of(const json& value) {
    if (value.is_null()) return "-";
    return printable(value.is_string() ? value.get<std::string>() : value.dump());
}

/// A string member; "" if it is missing.
std::string text_in(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? text_of(*found) : "";
}

void print_document(Console& console, const json& document) {
    console.write(printable_json(document.dump(console.pretty() ? 2 : -1)) + "\n");
}

void show_text(Console& console, const json& job) {
    console.write(fmt::format("{}  {}  {}  {}\n", text_of(job["id"]), text_of(job["type"]),
                              text_of(job["user"]), text_of(job["state"])));
    console.write(fmt::format("submitted {}   started {}   finished {}   dscp {}\n",
                              time_text(job["submitted_at"]), time_text(job["started_at"]),
                              time_text(job["finished_at"]), text_of(job["dscp"])));
    console.write("request " + text_of(job["request"]) + "\n");
    if (job["error"].is_object())
        console.write("error   " + text_of(job["error"].value("message", json())) + "\n");
}

/// "25/tcp  NO  br-gw: firewall, FORWARD (NETFILTER_DROP)"
std::string verdict_line(const json& service) {
    const auto why = text_in(service, "why");
    return fmt::format("{}/{}  {}{}{}\n", service.value("port", 0), text_in(service, "protocol"),
                       text_in(service, "result"), why.empty() ? "" : "  ", why);
}

/// Prints the result like `ksmsctl scan`; for a detailed job its services, one per line.
Status print_result(Console& console, const json& job) {
    const auto& result = job["result"];
    if (console.json()) {
        print_document(console, result);
        return {};
    }
    if (result.value("schema", "") != "ksms.scan/1") {
        for (const auto& service : result["services"]) console.write(verdict_line(service));
        console.hint("-j prints all of it");
        return {};
    }
    KSMS_TRY(const auto view, view_of_document(result.dump()));
    for (const auto& warning : result["warnings"]) console.warn(warning.get<std::string>());
    console.write(scan_text(view, console.text_style()));
    return {};
}

bool is_over(const json& job) {
    const auto state = job.value("state", "");
    return state != "queued" && state != "running";
}

/// The error of an interrupted wait. The job continues.
std::unexpected<Error> interrupted(const std::string& id) {
    return fail(
        Code::failed, fmt::format("interrupted; job {} goes on in ksmsd", id),
        fmt::format("`ksmsctl job wait {0}` waits again, `ksmsctl job cancel {0}` ends it", id));
}

/// @param until  none: no time limit
/// @return the job, finished or not; an error after a signal
Result<json> await_end(const Context& context, const HttpClient& http, const std::string& id,
                       std::optional<std::chrono::steady_clock::time_point> until) {
    KSMS_TRY(const auto target, target_of(id));
    while (true) {
        int wait = kWaitEach;
        if (until) {
            const auto left =
                std::chrono::ceil<std::chrono::seconds>(*until - std::chrono::steady_clock::now());
            wait = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, kWaitEach));
        }
        const auto answer = ask(http, "GET", fmt::format("{}?wait={}", target, wait));
        if (!answer && context.stop.load() != 0) return interrupted(id);
        if (!answer) return std::unexpected(answer.error());
        KSMS_TRY(auto job, parsed(*answer));
        if (is_over(job) || wait == 0) return job;
        if (context.stop.load() != 0) return interrupted(id);
    }
}

Error error_of_job(const json& job) {
    const auto& error = job["error"];
    if (!error.is_object())
        return {Code::failed,
                0,
                fmt::format("{} is {}", job.value("id", ""), job.value("state", "")),
                {}};
    static constexpr std::array<Code, 6> codes{Code::failed,  Code::usage,     Code::expectation,
                                               Code::no_dscp, Code::not_found, Code::not_allowed};
    const auto word = error.value("code", "failed");
    const auto code = std::ranges::find_if(codes, [&](Code each) { return word == name_of(each); });
    return {code == codes.end() ? Code::failed : *code, 0, text_of(error["message"]),
            error["hint"].is_string() ? error["hint"].get<std::string>() : ""};
}

/// Prints the result of a job that has ended.
Result<int> end_as_scan(Context& context, const json& job, const std::set<Verdict>& fail_on) {
    if (!job["result"].is_object()) return std::unexpected(error_of_job(job));
    KSMS_CHECK(print_result(context.console, job));
    if (job.value("state", "") == "done") return exit_status(job["result"], fail_on);
    const auto error = error_of_job(job);
    context.console.error(error);
    return exit_status(error, 0);
}

Result<int> submit(Context& context, const Arguments& arguments) {
    // ksmsd checks the request too, but these errors name the options.
    KSMS_TRY(const auto asked, make_scan_request(in_submit, arguments, {}, {}));
    const auto http = client(context, arguments);
    KSMS_TRY(const auto answer, ask(http, "POST", "/v1/jobs", job_body(arguments).dump()));
    KSMS_TRY(const auto submitted, parsed(answer));
    const auto id = submitted.value("id", "");
    if (!arguments.has("wait")) {
        if (context.console.json())
            print_document(context.console, submitted);
        else
            context.console.write(id + "\n");
        return 0;
    }
    KSMS_TRY(const auto job, await_end(context, http, id, std::nullopt));
    return end_as_scan(context, job, asked.fail_on);
}

Result<int> list(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto limit, arguments.number("limit", 1, 1000));
    std::string target = fmt::format("/v1/jobs?limit={}", limit.value_or(100));
    for (const char* name : {"state", "type", "user"})
        if (const auto value = arguments.text(name)) {
            if (value->find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789._-") != std::string::npos)
                return fail(Code::usage, fmt::format("--{} {}: not such a word", name, *value));
            target += fmt::format("&{}={}", name, *value);
        }
    KSMS_TRY(const auto answer, ask(client(context, arguments), "GET", target));
    KSMS_TRY(const auto document, parsed(answer));
    if (context.console.json()) {
        print_document(context.console, document);
        return 0;
    }
    std::size_t wide = 2;
    for (const auto& job : document["jobs"]) wide = std::max(wide, job.value("id", "").size());
    context.console.write(fmt::format("{:<{}}  {:<8}  {:<11}  {:>4}  {:<19}  {}\n", "ID", wide,
                                      "TYPE", "STATE", "DSCP", "SUBMITTED", "USER"));
    for (const auto& job : document["jobs"])
        context.console.write(fmt::format("{:<{}}  {:<8}  {:<11}  {:>4}  {:<19}  {}\n",
                                          text_of(job["id"]), wide, text_of(job["type"]),
                                          text_of(job["state"]), text_of(job["dscp"]),
                                          time_text(job["submitted_at"]), text_of(job["user"])));
    if (document.value("more", false)) context.console.hint("there are older ones: --limit N");
    return 0;
}

Result<int> show(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto target, target_of(arguments.words.front()));
    KSMS_TRY(const auto answer, ask(client(context, arguments), "GET", target));
    KSMS_TRY(const auto job, parsed(answer));
    if (context.console.json()) {
        print_document(context.console, job);
        return 0;
    }
    show_text(context.console, job);
    if (!job["result"].is_object()) return 0;
    context.console.write("\n");
    KSMS_CHECK(print_result(context.console, job));
    return 0;
}

Result<int> wait(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto timeout, arguments.seconds("timeout", 0, kLongestWait));
    std::optional<std::chrono::steady_clock::time_point> until;
    if (timeout) until = std::chrono::steady_clock::now() + *timeout;
    const auto& id = arguments.words.front();
    KSMS_TRY(const auto job, await_end(context, client(context, arguments), id, until));
    if (!is_over(job))
        return fail(Code::failed, fmt::format("{} is still {}", id, job.value("state", "")),
                    "a longer --timeout, or `ksmsctl job watch`");
    return end_as_scan(context, job, {});
}

ScanProgress progress_of(const json& data) {
    const auto time = [&](const char* key) {
        return nanoseconds(milliseconds(1)) * data.value(key, std::uint64_t{0});
    };
    ScanProgress progress;
    progress.stage = text_of(data["stage"]);
    progress.sent = data.value("sent", std::size_t{0});
    progress.accounted = data.value("accounted", std::size_t{0});
    progress.probes = data.value("probes", std::size_t{0});
    progress.elapsed = time("elapsed_ms");
    progress.left = time("left_ms");
    return progress;
}

Result<int> watch(Context& context, const Arguments& arguments) {
    const auto& id = arguments.words.front();
    KSMS_TRY(const auto target, target_of(id, "/events"));
    auto& console = context.console;
    ProgressLine line(console);
    json all = json::array();
    const auto show_event = [&](const JobEvent& event) {
        const auto data = json::parse(event.data, nullptr, false);
        if (console.json())
            all.push_back({{"event", event.name}, {"data", data}});
        else if (event.name == "state")
            console.write_now(text_of(data["state"]) + "\n");
        else if (event.name == "verdict" && !data.value("so_far", false))
            console.write_now(verdict_line(data));
        else if (event.name == "progress")
            line.show(progress_of(data));
        return context.stop.load() == 0;
    };
    const auto answer = client(context, arguments).events(target, show_event);
    const int signal = context.stop.load();
    if (!answer && signal == 0) return std::unexpected(answer.error());
    if (answer && answer->status >= 400) return std::unexpected(HttpClient::error_of(*answer));
    console.end_progress();
    if (console.json()) print_document(console, {{"schema", "ksms.job-events/1"}, {"events", all}});
    if (signal == 0) return 0;
    console.error(interrupted(id).error());
    return 128 + signal;
}

Result<int> cancel(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto target, target_of(arguments.words.front()));
    KSMS_TRY(const auto answer, ask(client(context, arguments), "DELETE", target));
    KSMS_TRY(const auto job, parsed(answer));
    if (context.console.json())
        print_document(context.console, job);
    else
        context.console.write(fmt::format("{} {}\n", text_of(job["id"]), text_of(job["state"])));
    return 0;
}

}  // namespace

std::span<const Command> job_commands() {
    static const Command commands[] = {
        {"job submit", "-s SOURCE -d DESTINATION -P PORTS [--wait]", "Submit a job to ksmsd",
         submit_options(), 0, 0, false, submit},
        {"job list", "", "List your jobs; root: all jobs", kListing, 0, 0, false, list},
        {"job show", "ID", "Show a job and its result", kPlain, 1, 1, false, show},
        {"job wait", "ID", "Wait for a job and print its result", kWaiting, 1, 1, false, wait},
        {"job watch", "ID", "Print the events of a job as they happen", kPlain, 1, 1, false, watch},
        {"job cancel", "ID", "Stop a job or remove it from the queue", kPlain, 1, 1, false, cancel},
    };
    return commands;
}

}  // namespace ksms
