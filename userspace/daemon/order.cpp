// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/order.hpp"

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace ksms {
namespace {

using nlohmann::json;

constexpr std::array<const char*, 6> kHow{"done",    "failed",  "stopped",
                                          "no_dscp", "no_name", "short_of"};

}  // namespace

std::string dump(const json& value) {
    return printable_json(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string line_of(const Order& order) {
    return dump({{"id", order.id},
                 {"user", order.user},
                 {"uid", order.uid},
                 {"request", order.request},
                 {"pin_root", order.pin_root},
                 {"config", order.config},
                 {"config_name", order.config_name}}) +
           "\n";
}

Result<Order> read_order(std::string_view line) {
    const auto value = json::parse(line, nullptr, false);
    if (!value.is_object()) return fail(Code::failed, "an order that is no JSON object");
    return Order{value.value("id", ""),         value.value("user", ""),
                 value.value("uid", uid_t{}),   value.value("request", ""),
                 value.value("pin_root", ""),   value.value("config", ""),
                 value.value("config_name", "")};
}

std::string event_line(std::string_view event, const json& data) {
    return dump({{"event", event}, {"data", data}}) + "\n";
}

json json_of(const RunEnd& end) {
    return {{"how", kHow.at(static_cast<std::size_t>(end.how))},
            {"error", end.error},
            {"what", end.what},
            {"yes", end.yes},
            {"no", end.no},
            {"unknown", end.unknown},
            {"sent", end.sent},
            {"resent", end.resent},
            {"lost", end.lost}};
}

RunEnd read_end(const json& data) {
    RunEnd end;
    const auto how = data.value("how", "failed");
    for (std::size_t i = 0; i < kHow.size(); ++i)
        if (how == kHow.at(i)) end.how = static_cast<RunEnd::How>(i);
    end.error = data.value("error", "");
    end.what = data.value("what", "");
    const auto figure = [&data](const char* key) { return data.value(key, std::uint64_t{0}); };
    end.yes = figure("yes");
    end.no = figure("no");
    end.unknown = figure("unknown");
    end.sent = figure("sent");
    end.resent = figure("resent");
    end.lost = figure("lost");
    return end;
}

std::string shortage(const Error& error) {
    switch (error.err) {
        case ENOMEM: return "memory";
        case EMFILE:
        case ENFILE: return "descriptors";
        case EAGAIN: return "processes";
        case ENOBUFS: return "buffers";
        default: return {};
    }
}

std::string error_object(const Error& error) {
    return dump({{"code", name_of(error.code)},
                 {"message", valid_utf8(error.text())},
                 {"hint", error.hint.empty() ? json(nullptr) : json(error.hint)}});
}

}  // namespace ksms
