// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/map.hpp"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

namespace ksms {
namespace {

constexpr std::uint32_t kBatch = 1024;
// Size of the first batch: most maps have few entries, and page faults are slow.
constexpr std::uint32_t kFirstBatch = 64;

}  // namespace

RawMap::RawMap(Fd fd, std::string name, std::uint32_t key_size, std::uint32_t value_size,
               std::uint32_t max_entries)
    : fd_(std::move(fd)),
      name_(std::move(name)),
      key_size_(key_size),
      value_size_(value_size),
      max_entries_(max_entries) {}

Result<bool> RawMap::lookup(const void* key, void* value) const {
    if (bpf_map_lookup_elem(fd(), key, value) == 0) return true;
    if (errno == ENOENT) return false;
    return fail_errno(errno, "read the map " + name_);
}

Status RawMap::lookup_array(void* values) const {
    std::vector<std::uint32_t> keys(max_entries_);
    std::uint32_t next = 0, count = max_entries_;
    if (bpf_map_lookup_batch(fd(), nullptr, &next, keys.data(), values, &count, nullptr) == 0 ||
        (errno == ENOENT && count == max_entries_))
        return {};
    return fail_errno(errno, "read the map " + name_);
}

Status RawMap::update(const void* key, const void* value, Update how) const {
    if (bpf_map_update_elem(fd(), key, value, static_cast<std::uint64_t>(how)) == 0) return {};
    const int err = errno;
    return fail_errno(
        err, "write the map " + name_,
        err == E2BIG ? fmt::format("it is full ({} entries)", max_entries_) : std::string());
}

Result<bool> RawMap::erase(const void* key) const {
    if (bpf_map_delete_elem(fd(), key) == 0) return true;
    if (errno == ENOENT) return false;
    return fail_errno(errno, "delete from the map " + name_);
}

Status RawMap::update_batch(const void* keys, const void* values, std::size_t count) const {
    const auto* key = static_cast<const char*>(keys);
    const auto* value = static_cast<const char*>(values);
    std::size_t done = 0;
    while (done < count) {
        auto part = static_cast<std::uint32_t>(std::min<std::size_t>(count - done, kBatch));
        if (bpf_map_update_batch(fd(), key + done * key_size_, value + done * value_size_, &part,
                                 nullptr) == 0) {
            done += part;
            continue;
        }
        const int err = errno;
        if (err != EINVAL && err != EOPNOTSUPP)
            return fail_errno(err, "write the map " + name_,
                              err == E2BIG ? fmt::format("it is full ({} entries)", max_entries_)
                                           : std::string());
        for (; done < count; ++done)
            KSMS_CHECK(update(key + done * key_size_, value + done * value_size_, Update::any));
    }
    return {};
}

Status RawMap::erase_batch(const void* keys, std::size_t count) const {
    const auto* key = static_cast<const char*>(keys);
    for (std::size_t done = 0; done < count;) {
        auto part = static_cast<std::uint32_t>(std::min<std::size_t>(count - done, kBatch));
        const int failed = bpf_map_delete_batch(fd(), key + done * key_size_, &part, nullptr);
        if (failed != 0 && errno != ENOENT)
            return fail_errno(errno, "delete entries of the map " + name_);
        // It stops at a missing key.
        done += part + (failed != 0 ? 1u : 0u);
    }
    return {};
}

Status RawMap::for_each(const std::function<void(const void*, const void*)>& each) const {
    std::uint32_t room = std::min(kFirstBatch, max_entries_);
    // The position: a bucket number in a hash, a key in other maps.
    std::vector<char> at(std::max<std::size_t>(key_size_, sizeof(std::uint32_t)));
    std::vector<char> keys, values;
    for (bool first = true;;) {
        keys.resize(std::size_t{room} * key_size_);
        values.resize(std::size_t{room} * value_size_);
        auto count = room;
        const int failed = bpf_map_lookup_batch(fd(), first ? nullptr : at.data(), at.data(),
                                                keys.data(), values.data(), &count, nullptr);
        const int err = failed == 0 ? 0 : errno;
        if (err == ENOSPC) {  // a bucket has more entries
            room *= 2;
            continue;
        }
        if (err != 0 && err != ENOENT) return fail_errno(err, "read the map " + name_);
        // Entries that `each` adds or deletes do not change the position of the next bucket.
        for (std::size_t i = 0; i < count; ++i)
            each(keys.data() + i * key_size_, values.data() + i * value_size_);
        if (err == ENOENT) return {};
        first = false;
        room = std::min(std::max(room, kBatch), max_entries_);  // a large map
    }
}

Result<void*> map_array_memory(int fd, std::size_t count, std::size_t value_size,
                               const std::string& name, std::size_t& bytes) {
    bytes = count * value_size;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return fail_errno(errno, fmt::format("map {} bytes of {} into memory", bytes, name));
    return memory;
}

void unmap_array_memory(void* memory, std::size_t bytes) {
    munmap(memory, bytes);
}

}  // namespace ksms
