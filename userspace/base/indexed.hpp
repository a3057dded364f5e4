// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <utility>
#include <vector>

namespace ksms {

/// A vector whose index is an enum type of its own.
template <typename Index, typename T>
class Indexed : public std::vector<T> {
public:
    using std::vector<T>::vector;
    T& operator[](Index at) { return std::vector<T>::operator[](std::to_underlying(at)); }
    const T& operator[](Index at) const {
        return std::vector<T>::operator[](std::to_underlying(at));
    }
};

}  // namespace ksms
