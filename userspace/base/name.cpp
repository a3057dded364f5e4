// SPDX-License-Identifier: BSD-2-Clause
#include "base/name.hpp"

#include <mutex>
#include <set>

namespace ksms {
namespace {

const std::string& interned(std::string_view text) {
    static std::mutex guard;
    static std::set<std::string, std::less<>> texts;  // nodes never move
    const std::scoped_lock lock(guard);
    if (const auto found = texts.find(text); found != texts.end()) return *found;
    return *texts.emplace(text).first;
}

}  // namespace

Name::Name() {
    static const std::string& none = interned({});
    text_ = &none;
}
Name::Name(std::string_view text) : text_(&interned(text)) {}

}  // namespace ksms
