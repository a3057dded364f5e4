// SPDX-License-Identifier: BSD-2-Clause
// What POST /v1/jobs takes, from its text to the request of a scan.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "explain/explain.hpp"
#include "holds.hpp"
#include "http/json_body.hpp"
#include "request/scan_request.hpp"

using namespace ksms;
using namespace ksms::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto body = parse_json_body(text_of(data, size));
    if (!body) return 0;
    const auto job = make_job_request(*body, RegistryLimits{});
    if (!job) {
        // It becomes the detail of a problem.
        holds(job.error().code == Code::usage && is_utf8(job.error().text()));
        holds(is_utf8(job.error().hint));
        return 0;
    }
    holds(job->id.empty() || is_job_name(job->id));
    holds(job->user.size() < KSMS_NAME_LENGTH);
    const ScanRequest& scan = *job;
    holds(scan.source && scan.source.family == scan.destination.family);
    holds(!scan.services.empty() && scan.timeout.count() > 0);
    if (job->detailed) holds(scan.services.size() <= kMostExplained);
    if (scan.dscp) holds(*scan.dscp >= scan.limits.dscp_min && *scan.dscp <= scan.limits.dscp_max);
    // A job's name is its id; the command line alone has --job.
    holds(scan.job.empty());
    for (const auto& router : scan.routers)
        holds(!router.empty() && router.find('\0') == std::string::npos);
    return 0;
}
