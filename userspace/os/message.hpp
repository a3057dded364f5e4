// SPDX-License-Identifier: BSD-2-Clause
// A netlink message under construction, and the attributes of one that arrived. For the files of
// this room.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/address.hpp"

namespace ksms {

/// A message with room for a small request.
class Message {
public:
    Message(std::uint16_t type, std::uint16_t flags) {
        header_ = mnl_nlmsg_put_header(buffer_.data());
        header_->nlmsg_type = type;
        header_->nlmsg_flags = flags;
    }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    /// Room for the fixed part (ifinfomsg, rtmsg, …), zeroed.
    template <typename T>
    T& fixed() {
        return *static_cast<T*>(mnl_nlmsg_put_extra_header(header_, sizeof(T)));
    }
    void put_u8(std::uint16_t type, std::uint8_t value) { mnl_attr_put_u8(header_, type, value); }
    void put_u16(std::uint16_t type, std::uint16_t value) {
        mnl_attr_put_u16(header_, type, value);
    }
    void put_u32(std::uint16_t type, std::uint32_t value) {
        mnl_attr_put_u32(header_, type, value);
    }
    void put_text(std::uint16_t type, const std::string& value) {
        mnl_attr_put_strz(header_, type, value.c_str());
    }
    void put(std::uint16_t type, const Address& value) {
        mnl_attr_put(header_, type, value.size(), value.bytes.data());
    }
    void put(std::uint16_t type, const Mac& value) {
        mnl_attr_put(header_, type, value.size(), value.data());
    }
    nlattr* nest(std::uint16_t type) { return mnl_attr_nest_start(header_, type); }
    void end(nlattr* nested) { mnl_attr_nest_end(header_, nested); }
    [[nodiscard]] nlmsghdr* header() const { return header_; }

private:
    alignas(nlmsghdr) std::array<char, 1024> buffer_{};
    nlmsghdr* header_;
};

/// nlmsg_type of a message of nftables (NFT_MSG_…).
inline std::uint16_t nft_message(int message) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

/// The attributes of a message or of a nested one, by type; unknown types are passed over.
class Attributes {
public:
    Attributes(const nlmsghdr* message, std::size_t fixed_size, std::uint16_t last)
        : found_(std::size_t{last} + 1, nullptr) {
        mnl_attr_parse(message, static_cast<unsigned>(fixed_size), &Attributes::take, this);
    }
    Attributes(const nlattr* nested, std::uint16_t last) : found_(std::size_t{last} + 1, nullptr) {
        if (nested != nullptr) mnl_attr_parse_nested(nested, &Attributes::take, this);
    }
    [[nodiscard]] const nlattr* operator[](std::uint16_t type) const {
        return type < found_.size() ? found_[type] : nullptr;
    }
    /// The value, or `absent` where the attribute is missing or too short.
    [[nodiscard]] std::uint32_t u32(std::uint16_t type, std::uint32_t absent = 0) const {
        const auto* at = (*this)[type];
        return at != nullptr && mnl_attr_get_payload_len(at) >= 4 ? mnl_attr_get_u32(at) : absent;
    }
    [[nodiscard]] std::uint8_t u8(std::uint16_t type, std::uint8_t absent = 0) const {
        const auto* at = (*this)[type];
        return at != nullptr && mnl_attr_get_payload_len(at) >= 1 ? mnl_attr_get_u8(at) : absent;
    }
    [[nodiscard]] std::string text(std::uint16_t type) const {
        const auto* at = (*this)[type];
        return at != nullptr && mnl_attr_validate(at, MNL_TYPE_NUL_STRING) >= 0
                   ? mnl_attr_get_str(at)
                   : std::string();
    }
    [[nodiscard]] Address address(std::uint16_t type, int family) const {
        const auto* at = (*this)[type];
        Address wanted;
        wanted.family = family;
        if (at == nullptr || mnl_attr_get_payload_len(at) < wanted.size()) return {};
        return Address::from_bytes(family, mnl_attr_get_payload(at));
    }

private:
    static int take(const nlattr* attribute, void* self) {
        auto& found = static_cast<Attributes*>(self)->found_;
        const auto type = mnl_attr_get_type(attribute);
        if (type < found.size()) found[type] = attribute;
        return MNL_CB_OK;
    }
    std::vector<const nlattr*> found_;
};

}  // namespace ksms
