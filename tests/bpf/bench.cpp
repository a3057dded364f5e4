// SPDX-License-Identifier: BSD-2-Clause
#include "bench.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "ksms.skel.h"

namespace ksms::test {

const std::vector<TapProgram> tap_programs{
    {"ksms_clsact_ingress", KSMS_INGRESS, KSMS_TAP_CLSACT, 0, TC_ACT_UNSPEC},
    {"ksms_clsact_egress", KSMS_EGRESS, KSMS_TAP_CLSACT, 0, TC_ACT_UNSPEC},
    {"ksms_tcx_ingress", KSMS_INGRESS, KSMS_TAP_TCX, 7, -1},  // TCX_NEXT
    {"ksms_tcx_egress", KSMS_EGRESS, KSMS_TAP_TCX, 8, -1},
    {"ksms_xdp_ingress", KSMS_INGRESS, KSMS_TAP_XDP, 9, XDP_PASS},
};

namespace {
constexpr std::uint32_t loopback = 1;  // its index in every namespace
constexpr std::uint32_t token_key[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};

template <typename K, typename V>
void set(const bpf_map* map, const K& key, const V& value) {
    INFO(bpf_map__name(map));
    REQUIRE(bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY) == 0);
}

template <typename V, typename K>
std::optional<V> get(int map, const K& key) {
    V value{};
    return bpf_map_lookup_elem(map, &key, &value) == 0 ? std::optional<V>(value) : std::nullopt;
}

void empty_hash(const bpf_map* map) {
    Bytes key(bpf_map__key_size(map));
    while (bpf_map_get_next_key(bpf_map__fd(map), nullptr, key.data()) == 0)
        REQUIRE(bpf_map_delete_elem(bpf_map__fd(map), key.data()) == 0);
}

std::size_t size_of_hash(const bpf_map* map) {
    std::size_t count = 0;
    Bytes key(bpf_map__key_size(map)), next(key.size());
    for (void* last = nullptr; bpf_map_get_next_key(bpf_map__fd(map), last, next.data()) == 0;
         last = key.data()) {
        key = next;
        count++;
    }
    return count;
}

bool kernel_has_function(const char* name) {
    btf* kernel = btf__load_vmlinux_btf();
    const bool found = btf__find_by_name_kind(kernel, name, BTF_KIND_FUNC) > 0;
    btf__free(kernel);
    return found;
}

template <typename V>
void zero_array(int array, std::uint32_t size) {
    const V zero{};
    for (std::uint32_t i = 0; i < size; i++)
        REQUIRE(bpf_map_update_elem(array, &i, &zero, BPF_ANY) == 0);
}

Fd inner_array(std::uint32_t value_size, std::uint32_t count) {
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP;
    Fd fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "inner", 4, value_size, count, &options));
    REQUIRE(fd);
    return fd;
}
}  // namespace

Bench::Bench(const std::function<void(::ksms_bpf&)>& prepare) {
    struct ::stat self{};
    REQUIRE(::stat("/proc/self/ns/net", &self) == 0);
    router_ = static_cast<std::uint32_t>(self.st_ino);
    kernel_context_ = kernel_has_function("bpf_cast_to_kern_ctx");
    skeleton_ = ksms_bpf__open();
    REQUIRE(skeleton_ != nullptr);
    for (const TapProgram& one : tap_programs)
        if (!can_run(one))
            bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton_->obj, one.name),
                                      false);
    bpf_program* each = nullptr;
    bpf_object__for_each_program(each, skeleton_->obj)  // those see no packets
        if (bpf_program__type(each) == BPF_PROG_TYPE_SYSCALL)
            bpf_program__set_autoload(each, false);
    if (prepare) prepare(*skeleton_);
    REQUIRE(ksms_bpf__load(skeleton_) == 0);
}

Bench::~Bench() {
    ksms_bpf__destroy(skeleton_);
}

bool Bench::can_run(const TapProgram& program) const {
    return kernel_context_ || program.kind == KSMS_TAP_CLSACT;
}

const bpf_program* Bench::program(const TapProgram& which) const {
    return bpf_object__find_program_by_name(skeleton_->obj, which.name);
}

void Bench::set_active(std::uint32_t scans) {
    ksms_config installed{};
    installed.abi = KSMS_ABI_VERSION;
    installed.active_scans = scans;
    std::memcpy(installed.token_key, token_key, sizeof token_key);
    set(skeleton_->maps.config, 0, installed);
}

void Bench::install(const ScanSpec& scan) {
    if (scan.store == KSMS_STORE_HASH) install_services(scan);
    if (scan.store == KSMS_STORE_DENSE && dense(scan.dscp) == nullptr) install_dense(scan);
    if (const Dense* kept = dense(scan.dscp)) REQUIRE(kept->scan.services == scan.services);
    const PacketSpec sent = probe_of(scan, 0, 0);
    ksms_scan installed{};
    installed.active = 1;
    installed.generation = scan.generation;
    installed.probes = scan.probes();
    installed.services = static_cast<std::uint32_t>(scan.services.size());
    installed.store = scan.store;
    installed.carried = scan.carried.value_or(static_cast<std::uint8_t>(scan.dscp));
    installed.routers = scan_slots;
    installed.source_port = scan_source_port;
    installed.family = static_cast<std::uint8_t>(scan.family);
    std::memcpy(installed.source, sent.source.data(), 16);
    std::memcpy(installed.destination, sent.destination.data(), 16);
    set(skeleton_->maps.scans, scan.dscp, installed);
    set_active(1);
}

void Bench::install_services(const ScanSpec& scan) {
    for (std::uint32_t i = 0; i < scan.services.size(); i++) {
        const Service& service = scan.services[i];
        const auto dscp = static_cast<std::uint8_t>(scan.dscp);
        set(skeleton_->maps.services, ksms_service_key{dscp, service.protocol, service.port},
            ksms_service_value{i});
        set(skeleton_->maps.service_numbers, ksms_service_number_key{scan.dscp, i},
            ksms_service_number_value{service.port, service.protocol, 0});
    }
}

void Bench::install_dense(const ScanSpec& scan) {
    const auto count = static_cast<std::uint32_t>(scan.services.size());
    const std::uint32_t counters = scan_slots * KSMS_DIRECTIONS * scan.probes();
    const std::uint32_t drops = scan_slots * scan.probes();
    Dense dense{scan,
                counters,
                drops,
                inner_array(8, KSMS_DENSE_NUMBERS + count),
                inner_array(sizeof(ksms_counter), counters),
                inner_array(sizeof(ksms_drop), drops)};
    for (std::uint32_t i = 0; i < count; i++) {
        const Service& service = scan.services[i];
        const std::uint32_t by_port =
            (service.protocol == IPPROTO_UDP ? 65536U : 0U) + service.port;
        const std::uint32_t by_number = KSMS_DENSE_NUMBERS + i;
        const std::uint64_t number = i + 1;
        const std::uint64_t asked = std::uint64_t{service.protocol} << 16U | service.port;
        REQUIRE(bpf_map_update_elem(dense.services.get(), &by_port, &number, BPF_ANY) == 0);
        REQUIRE(bpf_map_update_elem(dense.services.get(), &by_number, &asked, BPF_ANY) == 0);
    }
    set(skeleton_->maps.dense_services, scan.dscp, dense.services.get());
    set(skeleton_->maps.dense_counters, scan.dscp, dense.counters.get());
    set(skeleton_->maps.dense_drops, scan.dscp, dense.drops.get());
    dense_.push_back(std::move(dense));
}

const Bench::Dense* Bench::dense(std::uint32_t dscp) const {
    for (const Dense& one : dense_)
        if (one.scan.dscp == dscp) return &one;
    return nullptr;
}

void Bench::tap(const TapProgram& program, std::uint32_t dscp) {
    ksms_tap tap{};
    tap.router = router_;
    tap.ifindex = loopback;
    tap.direction = program.direction;
    tap.kind = program.kind;
    tap.dscp = dscp;
    const auto scan = get<ksms_scan>(bpf_map__fd(skeleton_->maps.scans), dscp);
    REQUIRE(scan);
    tap.generation = scan->generation;
    set(skeleton_->maps.taps, program.tap, tap);
    set(skeleton_->maps.tap_ids,
        ksms_tap_id_key{router_, loopback, static_cast<std::uint32_t>(program.direction),
                        static_cast<std::uint32_t>(program.kind)},
        program.tap);
    ksms_scan_router router{};
    router.slot = scan_slot;
    (program.direction == KSMS_INGRESS ? router.ingress_kind : router.egress_kind) =
        static_cast<ksms_u8>(program.kind);
    set(skeleton_->maps.scan_routers, ksms_scan_router_key{router_, dscp}, router);
}

void Bench::clear() {
    for (const bpf_map* map :
         {skeleton_->maps.scan_routers, skeleton_->maps.services, skeleton_->maps.service_numbers,
          skeleton_->maps.counters, skeleton_->maps.translations, skeleton_->maps.drops,
          skeleton_->maps.taps, skeleton_->maps.tap_ids})
        empty_hash(map);
    for (std::uint32_t dscp = 0; dscp < KSMS_DSCPS; dscp++)
        set(skeleton_->maps.scans, dscp, ksms_scan{});
    for (std::uint32_t which = 0; which < KSMS_STATS; which++)
        set(skeleton_->maps.stats, which, std::uint64_t{0});
    for (const Dense& one : dense_) {
        zero_array<ksms_counter>(one.counters.get(), one.counters_size);
        zero_array<ksms_drop>(one.drops.get(), one.drops_size);
    }
    set_active(0);
}

std::uint32_t Bench::seal(const ScanSpec& scan, std::uint32_t probe) const {
    return ksms_token_seal(ksms_token_pack(scan.dscp, probe, scan.generation), token_key);
}

PacketSpec Bench::probe_of(const ScanSpec& scan, std::uint32_t entry, std::uint32_t service) const {
    PacketSpec packet;
    packet.family = scan.family;
    packet.dscp = static_cast<std::uint8_t>(scan.dscp);
    packet.source = address(scan.family == 4 ? "10.1.1.100" : "2001:db8:1::100");
    packet.destination = address(scan.family == 4 ? "10.2.5.100" : "2001:db8:2::100");
    packet.protocol = scan.services.at(service).protocol;
    packet.source_port = scan_source_port;
    packet.destination_port = scan.services.at(service).port;
    packet.token = seal(scan, entry * static_cast<std::uint32_t>(scan.services.size()) + service);
    return packet;
}

PacketSpec Bench::probe(const ScanSpec& scan, std::uint8_t protocol) const {
    std::uint32_t service = 0;
    while (scan.services.at(service).protocol != protocol) service++;
    return probe_of(scan, 1, service);
}

void Bench::run(const TapProgram& program, const Bytes& frame, std::uint32_t gso_segments,
                std::uint32_t came_in) const {
    INFO(program.name);
    Bytes out(frame.size() + 64);
    __sk_buff context{};
    context.gso_segs = gso_segments;
    context.ingress_ifindex = came_in;
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.data_out = out.data();
    options.data_size_out = static_cast<std::uint32_t>(out.size());
    if (gso_segments != 0 || came_in != 0) {
        options.ctx_in = &context;
        options.ctx_size_in = sizeof context;
    }
    REQUIRE(bpf_prog_test_run_opts(bpf_program__fd(this->program(program)), &options) == 0);
    REQUIRE(static_cast<int>(options.retval) == program.hands_on);
    out.resize(options.data_size_out);
    REQUIRE(out == frame);
}

std::uint32_t Bench::time(const TapProgram& program, const Bytes& frame, int times) const {
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.repeat = times;
    REQUIRE(bpf_prog_test_run_opts(bpf_program__fd(this->program(program)), &options) == 0);
    return options.duration;
}

namespace {
ksms_counter_key counter_key(std::uint32_t router, const ScanSpec& scan, ksms_direction direction,
                             std::uint32_t entry, Service service) {
    return {static_cast<ksms_u8>(scan.dscp),
            service.protocol,
            service.port,
            router,
            static_cast<ksms_u16>(entry),
            static_cast<ksms_u8>(direction),
            0};
}

std::uint32_t probe_number(const ScanSpec& scan, std::uint32_t entry, Service service) {
    for (std::uint32_t i = 0; i < scan.services.size(); i++)
        if (scan.services[i] == service)
            return entry * static_cast<std::uint32_t>(scan.services.size()) + i;
    FAIL("the scan has no such service");
    return 0;
}
}  // namespace

std::optional<ksms_counter> Bench::counter(const ScanSpec& scan, ksms_direction direction,
                                           std::uint32_t entry, Service service) const {
    if (scan.store == KSMS_STORE_HASH)
        return get<ksms_counter>(bpf_map__fd(skeleton_->maps.counters),
                                 counter_key(router_, scan, direction, entry, service));
    const std::uint32_t index =
        (scan_slot * KSMS_DIRECTIONS + static_cast<std::uint32_t>(direction)) * scan.probes() +
        probe_number(scan, entry, service);
    const auto value = get<ksms_counter>(dense(scan.dscp)->counters.get(), index);
    REQUIRE(value);
    return value->dscp == 0 ? std::nullopt : value;
}

std::size_t Bench::counters() const {
    std::size_t count = size_of_hash(skeleton_->maps.counters);
    for (const Dense& one : dense_)
        for (std::uint32_t i = 0; i < one.counters_size; i++) {
            const auto value = get<ksms_counter>(one.counters.get(), i);
            const ksms_counter untouched{};
            if (std::memcmp(&*value, &untouched, sizeof untouched) != 0) count++;
        }
    return count;
}

std::optional<ksms_translation> Bench::translation(const ScanSpec& scan, ksms_direction direction,
                                                   std::uint32_t entry, Service service) const {
    return get<ksms_translation>(bpf_map__fd(skeleton_->maps.translations),
                                 counter_key(router_, scan, direction, entry, service));
}

std::optional<ksms_drop> Bench::drop(const ScanSpec& scan, std::uint32_t entry,
                                     Service service) const {
    if (scan.store == KSMS_STORE_HASH)
        return get<ksms_drop>(
            bpf_map__fd(skeleton_->maps.drops),
            ksms_drop_key{static_cast<ksms_u8>(scan.dscp), service.protocol, service.port, router_,
                          static_cast<ksms_u16>(entry), 0});
    const std::uint32_t index = scan_slot * scan.probes() + probe_number(scan, entry, service);
    const auto value = get<ksms_drop>(dense(scan.dscp)->drops.get(), index);
    return value && value->count != 0 ? value : std::nullopt;
}

ksms_tap Bench::tap_figures(const TapProgram& program) const {
    const auto value = get<ksms_tap>(bpf_map__fd(skeleton_->maps.taps), program.tap);
    REQUIRE(value);
    return *value;
}

std::uint64_t Bench::stat(ksms_stat which) const {
    return get<std::uint64_t>(bpf_map__fd(skeleton_->maps.stats), static_cast<std::uint32_t>(which))
        .value_or(~std::uint64_t{0});
}

}  // namespace ksms::test
