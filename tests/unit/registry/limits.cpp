// SPDX-License-Identifier: BSD-2-Clause
#include "registry/limits.hpp"

#include <catch2/catch.hpp>
#include <cstring>

using namespace ksms;
using namespace std::chrono_literals;

TEST_CASE("registry limits: the DSCPs that may be allocated") {
    RegistryLimits limits;
    CHECK(range_mask(limits) == 0xffff'ffff'0000'0000);
    CHECK(capacity(limits) == 32);
    limits.excluded = 1ull << 32 | 1ull << 63 | 1ull << 5;
    CHECK(range_mask(limits) == 0x7fff'fffe'0000'0000);
    CHECK(capacity(limits) == 30);
    limits.max_jobs = 8;
    CHECK(capacity(limits) == 8);
    CHECK(range_mask({0, 63, 0, 64, 1ns}) == ~0ull);
    CHECK(range_mask({40, 40, 0, 64, 1ns}) == 1ull << 40);
    CHECK(capacity({40, 40, 1ull << 40, 64, 1ns}) == 0);
    CHECK(range_mask({60, 200, 0, 64, 1ns}) == 0xf000'0000'0000'0000);
}

TEST_CASE("registry limits: the highest eighth is reserved for root, if there are several DSCPs") {
    RegistryLimits limits;
    CHECK(root_reserve(limits) == 4);
    CHECK(kernel_limits(limits).dscps == 0xffff'ffff'0000'0000);
    CHECK(kernel_limits(limits).member_dscps == 0x0fff'ffff'0000'0000);
    CHECK(kernel_limits(limits).member_jobs == 28);
    limits.excluded = 1ull << 63 | 1ull << 61;
    CHECK(kernel_limits(limits).member_dscps == 0x03ff'ffff'0000'0000);
    limits = {.dscp_min = 40, .dscp_max = 41};
    CHECK(kernel_limits(limits).member_dscps == 1ull << 40);
    limits = {.dscp_min = 40, .dscp_max = 40};
    CHECK(kernel_limits(limits).member_dscps == 1ull << 40);
    limits = {.max_jobs = 8};
    CHECK(kernel_limits(limits).member_jobs == 7);
    limits.root_reserve = 0;
    CHECK(kernel_limits(limits).member_dscps == 0xffff'ffff'0000'0000);
    CHECK(kernel_limits(limits).member_jobs == 8);
    limits.root_reserve = 99;
    CHECK(kernel_limits(limits).member_jobs == 0);
}

TEST_CASE("registry limits: conversion to the kernel's form and back") {
    RegistryLimits limits{.dscp_min = 34, .dscp_max = 60, .excluded = 1ull << 40, .max_jobs = 9};
    limits.root_reserve = 3;
    limits.user_leases = 2;
    limits.user_waiters = 5;
    limits.longest = 7s;
    const auto back = kernel_limits(from_kernel(kernel_limits(limits)));
    const auto before = kernel_limits(limits);
    CHECK(std::memcmp(&back, &before, sizeof before) == 0);
    CHECK(range_mask(from_kernel({})) == 0);
    CHECK(capacity(from_kernel({})) == 0);
}
