// SPDX-License-Identifier: BSD-2-Clause
// Building and parsing of netlink messages. Never reads or writes out of bounds, whoever made the
// message. For the files of this room.
#pragma once

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/address.hpp"

namespace ksms {

/// A small request.
class Message {
public:
    Message(std::uint16_t type, std::uint16_t flags) {
        header_ = mnl_nlmsg_put_header(buffer_.data());
        header_->nlmsg_type = type;
        header_->nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
    }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    /// Appends the fixed part (ifinfomsg, rtmsg, …), zeroed. Call it before any attribute is added.
    template <typename T>
    T& fixed() {
        static_assert(sizeof(T) <= 64);
        return *static_cast<T*>(mnl_nlmsg_put_extra_header(header_, sizeof(T)));
    }
    void put(std::uint16_t type, const void* data, std::size_t size) {
        whole_ &= mnl_attr_put_check(header_, buffer_.size(), type, size, data);
    }
    void put_u8(std::uint16_t type, std::uint8_t value) { put(type, &value, sizeof value); }
    void put_u16(std::uint16_t type, std::uint16_t value) { put(type, &value, sizeof value); }
    void put_u32(std::uint16_t type, std::uint32_t value) { put(type, &value, sizeof value); }
    void put_be16(std::uint16_t type, std::uint16_t value) { put_u16(type, htobe16(value)); }
    void put_be32(std::uint16_t type, std::uint32_t value) { put_u32(type, htobe32(value)); }
    void put_text(std::uint16_t type, const std::string& value) {
        put(type, value.c_str(), value.size() + 1);
    }
    void put(std::uint16_t type, const Address& value) {
        put(type, value.bytes.data(), value.size());
    }
    void put(std::uint16_t type, const Mac& value) { put(type, value.data(), value.size()); }
    /// Copies an attribute of a received message.
    void put(const nlattr* attribute) {
        put(attribute->nla_type, mnl_attr_get_payload(attribute),
            mnl_attr_get_payload_len(attribute));
    }
    /// A nested attribute with the attributes that `fill` adds.
    template <typename F>
    void nest(std::uint16_t type, const F& fill) {
        auto* nested = mnl_attr_nest_start_check(header_, buffer_.size(), type);
        whole_ &= nested != nullptr;
        if (nested == nullptr) return;
        fill();
        mnl_attr_nest_end(header_, nested);
    }

    [[nodiscard]] nlmsghdr* header() const { return header_; }
    [[nodiscard]] std::span<const char> bytes() const {
        return {buffer_.data(), header_->nlmsg_len};
    }
    /// False if an attribute did not fit. Then the message must not be sent.
    [[nodiscard]] bool whole() const { return whole_; }

private:
    alignas(nlmsghdr) std::array<char, 1024> buffer_{};
    nlmsghdr* header_;
    bool whole_{true};
};

/// Requests that are sent in one datagram.
class Batch {
public:
    void add(const Message& message) {
        whole_ &= message.whole();
        begins_.push_back(bytes_.size());
        const auto bytes = message.bytes();
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    }
    [[nodiscard]] std::size_t size() const { return begins_.size(); }
    [[nodiscard]] nlmsghdr* at(std::size_t which) {
        return reinterpret_cast<nlmsghdr*>(bytes_.data() + begins_.at(which));
    }
    [[nodiscard]] std::span<const char> bytes() const { return bytes_; }
    [[nodiscard]] bool whole() const { return whole_; }

private:
    std::vector<char> bytes_;
    std::vector<std::size_t> begins_;
    bool whole_{true};
};

/// nlmsg_type of an nftables message (NFT_MSG_…).
inline std::uint16_t nft_message(int message) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

/// The fixed part of a received message; nothing if the message is too short. A copy: messages are
/// aligned to 4 bytes, and some parts have members of 8.
template <typename T>
std::optional<T> fixed_part(const nlmsghdr* message) {
    if (message->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(T)) return std::nullopt;
    T part;
    std::memcpy(&part, mnl_nlmsg_get_payload(message), sizeof part);
    return part;
}

/// Whether the message is complete in the `left` bytes. mnl_nlmsg_ok() compares lengths as int and
/// accepts a length of 2 GiB or more.
inline bool is_whole(const nlmsghdr* message, int left) {
    return mnl_nlmsg_ok(message, left) && message->nlmsg_len <= static_cast<std::uint32_t>(left);
}

/// The attributes of a message or of a nested attribute, by type. Ignores unknown types and
/// attributes that are longer than what contains them.
class Attributes {
public:
    Attributes(const nlmsghdr* message, std::size_t fixed_size, std::uint16_t last)
        : found_(std::size_t{last} + 1, nullptr) {
        // mnl_attr_parse() would round the length of the message up.
        const auto before = MNL_ALIGN(fixed_size);
        if (message->nlmsg_len < MNL_NLMSG_HDRLEN + before) return;
        mnl_attr_parse_payload(mnl_nlmsg_get_payload_offset(message, before),
                               mnl_nlmsg_get_payload_len(message) - before, &Attributes::take,
                               this);
    }
    Attributes(const nlattr* nested, std::uint16_t last) : found_(std::size_t{last} + 1, nullptr) {
        if (nested != nullptr && mnl_attr_validate(nested, MNL_TYPE_NESTED) >= 0)
            mnl_attr_parse_nested(nested, &Attributes::take, this);
    }
    Attributes(std::span<const char> bytes, std::uint16_t last)
        : found_(std::size_t{last} + 1, nullptr) {
        mnl_attr_parse_payload(bytes.data(), bytes.size(), &Attributes::take, this);
    }
    [[nodiscard]] const nlattr* operator[](std::uint16_t type) const {
        return type < found_.size() ? found_[type] : nullptr;
    }
    /// The value; `absent` if the attribute is missing or too short.
    [[nodiscard]] std::uint8_t u8(std::uint16_t type, std::uint8_t absent = 0) const {
        const auto* at = valid(type, MNL_TYPE_U8);
        return at != nullptr ? mnl_attr_get_u8(at) : absent;
    }
    [[nodiscard]] std::uint16_t u16(std::uint16_t type, std::uint16_t absent = 0) const {
        const auto* at = valid(type, MNL_TYPE_U16);
        return at != nullptr ? mnl_attr_get_u16(at) : absent;
    }
    [[nodiscard]] std::uint32_t u32(std::uint16_t type, std::uint32_t absent = 0) const {
        const auto* at = valid(type, MNL_TYPE_U32);
        return at != nullptr ? mnl_attr_get_u32(at) : absent;
    }
    /// Values in network byte order, as netfilter uses.
    [[nodiscard]] std::uint16_t be16(std::uint16_t type) const {
        const auto* at = valid(type, MNL_TYPE_U16);
        return at != nullptr ? be16toh(mnl_attr_get_u16(at)) : std::uint16_t{0};
    }
    [[nodiscard]] std::uint32_t be32(std::uint16_t type) const {
        const auto* at = valid(type, MNL_TYPE_U32);
        return at != nullptr ? be32toh(mnl_attr_get_u32(at)) : 0;
    }
    [[nodiscard]] std::uint64_t be64(std::uint16_t type) const {
        const auto* at = valid(type, MNL_TYPE_U64);
        return at != nullptr ? be64toh(mnl_attr_get_u64(at)) : 0;
    }
    [[nodiscard]] std::string text(std::uint16_t type) const {
        const auto* at = valid(type, MNL_TYPE_NUL_STRING);
        return at != nullptr ? mnl_attr_get_str(at) : std::string();
    }
    [[nodiscard]] Address address(std::uint16_t type, int family) const {
        const auto* at = (*this)[type];
        Address wanted;
        wanted.family = family;
        if (at == nullptr || wanted.size() == 0 || mnl_attr_get_payload_len(at) < wanted.size())
            return {};
        return Address::from_bytes(family, mnl_attr_get_payload(at));
    }
    /// The value as bytes; none if the attribute is missing.
    [[nodiscard]] std::span<const std::uint8_t> bytes(std::uint16_t type) const {
        const auto* at = (*this)[type];
        if (at == nullptr) return {};
        return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(at)),
                mnl_attr_get_payload_len(at)};
    }

private:
    [[nodiscard]] const nlattr* valid(std::uint16_t type, mnl_attr_data_type wanted) const {
        const auto* at = (*this)[type];
        return at != nullptr && mnl_attr_validate(at, wanted) >= 0 ? at : nullptr;
    }
    static int take(const nlattr* attribute, void* self) {
        auto& found = static_cast<Attributes*>(self)->found_;
        const auto type = mnl_attr_get_type(attribute);
        if (type < found.size()) found[type] = attribute;
        return MNL_CB_OK;
    }
    std::vector<const nlattr*> found_;
};

/// Calls `each` for each attribute of a list, whatever its type.
/// @param list  nullptr: none
template <typename F>
void for_each_attribute(const nlattr* list, F each) {
    if (list == nullptr) return;
    mnl_attr_parse_nested(
        list,
        [](const nlattr* attribute, void* call) {
            (*static_cast<F*>(call))(attribute);
            return MNL_CB_OK;
        },
        &each);
}

}  // namespace ksms
