// SPDX-License-Identifier: BSD-2-Clause
// BPF maps with the types of abi.h. Keys and values are checked against the kernel's sizes when a
// map is opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

enum class Update { any = 0, create = 1, existing = 2 };  // BPF_ANY, BPF_NOEXIST, BPF_EXIST

/// An untyped map: system calls with errors that name the map.
class RawMap {
public:
    RawMap() = default;
    RawMap(Fd fd, std::string name, std::uint32_t key_size, std::uint32_t value_size,
           std::uint32_t max_entries);

    /// @return false: no such key
    Result<bool> lookup(const void* key, void* value) const;
    /// Every value of an array, in order, by one BPF_MAP_LOOKUP_BATCH (Linux 5.6).
    /// @param values  max_entries() of them, each rounded up to 8 bytes
    Status lookup_array(void* values) const;
    Status update(const void* key, const void* value, Update how) const;
    /// @return false: there was none
    Result<bool> erase(const void* key) const;
    /// BPF_MAP_UPDATE_BATCH; falls back to single updates.
    Status update_batch(const void* keys, const void* values, std::size_t count) const;
    /// BPF_MAP_DELETE_BATCH of a hash (Linux 5.6). Ignores missing keys.
    Status erase_batch(const void* keys, std::size_t count) const;
    /// Calls `each` once for every pair of a hash, in any order (BPF_MAP_LOOKUP_BATCH, Linux 5.6).
    /// `each` may delete entries. Entries that other processes change meanwhile may be missing or
    /// stale.
    Status for_each(const std::function<void(const void* key, const void* value)>& each) const;

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] std::uint32_t max_entries() const { return max_entries_; }

private:
    Fd fd_;
    std::string name_;
    std::uint32_t key_size_{0}, value_size_{0}, max_entries_{0};
};

/// A map of K -> V. Arrays have K = std::uint32_t.
template <typename K, typename V>
class Map {
public:
    Map() = default;
    explicit Map(RawMap raw) : raw_(std::move(raw)) {}

    [[nodiscard]] Result<std::optional<V>> lookup(const K& key) const {
        V value{};
        KSMS_TRY(const bool found, raw_.lookup(&key, &value));
        return found ? std::optional<V>(value) : std::nullopt;
    }
    /// All values of an array; the index is the key.
    [[nodiscard]] Result<std::vector<V>> array() const {
        static_assert(std::is_same_v<K, std::uint32_t> && sizeof(V) % 8 == 0);
        std::vector<V> values(raw_.max_entries());
        KSMS_CHECK(raw_.lookup_array(values.data()));
        return values;
    }
    [[nodiscard]] Status update(const K& key, const V& value, Update how = Update::any) const {
        return raw_.update(&key, &value, how);
    }
    [[nodiscard]] Result<bool> erase(const K& key) const { return raw_.erase(&key); }
    [[nodiscard]] Status update_batch(std::span<const K> keys, std::span<const V> values) const {
        return raw_.update_batch(keys.data(), values.data(), keys.size());
    }
    [[nodiscard]] Status erase_batch(std::span<const K> keys) const {
        return raw_.erase_batch(keys.data(), keys.size());
    }
    [[nodiscard]] Status for_each(const std::function<void(const K&, const V&)>& each) const {
        return raw_.for_each([&](const void* key, const void* value) {
            K k;
            V v;
            __builtin_memcpy(&k, key, sizeof k);
            __builtin_memcpy(&v, value, sizeof v);
            each(k, v);
        });
    }
    [[nodiscard]] const RawMap& raw() const { return raw_; }

private:
    RawMap raw_;
};

/// The memory of an array map with BPF_F_MMAPABLE, shared with the kernel.
template <typename V>
class MappedArray {
public:
    MappedArray() = default;
    MappedArray(MappedArray&& other) noexcept { *this = std::move(other); }
    MappedArray& operator=(MappedArray&& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(bytes_, other.bytes_);
        std::swap(count_, other.count_);
        return *this;
    }
    ~MappedArray();
    static Result<MappedArray> map(int fd, std::size_t count, const std::string& name);
    [[nodiscard]] std::span<V> values() const { return {static_cast<V*>(memory_), count_}; }

private:
    void* memory_{nullptr};
    std::size_t bytes_{0}, count_{0};
};

/// @param count  entries; each takes `value_size` rounded up to 8 bytes
Result<void*> map_array_memory(int fd, std::size_t count, std::size_t value_size,
                               const std::string& name, std::size_t& bytes);
void unmap_array_memory(void* memory, std::size_t bytes);

template <typename V>
MappedArray<V>::~MappedArray() {
    if (memory_ != nullptr) unmap_array_memory(memory_, bytes_);
}
template <typename V>
Result<MappedArray<V>> MappedArray<V>::map(int fd, std::size_t count, const std::string& name) {
    static_assert(sizeof(V) % 8 == 0, "the kernel rounds array values up to 8 bytes");
    MappedArray result;
    KSMS_TRY(result.memory_, map_array_memory(fd, count, sizeof(V), name, result.bytes_));
    result.count_ = count;
    return result;
}

}  // namespace ksms
