// SPDX-License-Identifier: BSD-2-Clause
#include "evidence/kernel_names.hpp"

#include <cstring>
#include <string>
#include <string_view>

#include "bpf/attach.hpp"

namespace ksms {

const KernelNames::Reason& KernelNames::reason(std::uint32_t number) {
    if (const auto known = reasons_.find(number); known != reasons_.end()) return known->second;
    std::string name;
    if (const auto found = objects_.reasons.lookup(number); found && *found) {
        const std::string_view text((*found)->name, strnlen((*found)->name, sizeof(*found)->name));
        if (text != "NOT_SPECIFIED") name = text;
    }
    return reasons_.emplace(number, Reason{words_.add(name), classify_drop(name, {})})
        .first->second;
}

KernelWords::Index KernelNames::place(std::uint64_t address) {
    if (const auto known = places_.find(address); known != places_.end()) return known->second;
    ksms_symbol_call call{};
    call.address = address;
    std::string name;
    const auto done = call_program(objects_.program(Program::symbol), &call, sizeof call);
    const std::string_view text(call.name, strnlen(call.name, sizeof call.name));
    if (done && *done == 0 && !text.starts_with("0x"))
        name = text.substr(0, text.find_first_of(" +["));
    return places_.emplace(address, words_.add(name)).first->second;
}

void KernelNames::name(std::uint32_t number, std::uint64_t address, Drop& drop) {
    const auto& why = reason(number);
    drop.reason = why.word;
    drop.place = place(address);
    // The place alone tells where the kernel gave no reason.
    drop.is = why.is.kind == DropKind::unnamed ? classify_drop({}, words_[drop.place]) : why.is;
}

}  // namespace ksms
