/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whose packet is it? Ours, if its token opens to a probe of a scan that is on its way and at least
 * one of its addresses, ports, timestamp and DSCP is still what was sent. */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

struct ksms_probe {
    const struct ksms_scan *scan;
    __u32 dscp;    /* of the job, not of the packet */
    __u32 probe;   /* entry * services + service */
    __u32 service; /* its number */
    __u16 entry;
    __u16 source_port;
    __u16 port; /* that was asked for */
    __u8 protocol;
};

static __always_inline void ksms_stat(__u32 which) {
    ksms_u64 *value = bpf_map_lookup_elem(&stats, &which);
    if (value) __sync_fetch_and_add(value, 1);
}

static __always_inline const struct ksms_scan *ksms_active_scan(__u32 dscp) {
    const struct ksms_scan *scan = bpf_map_lookup_elem(&scans, &dscp);
    return scan && scan->active ? scan : NULL;
}

static __always_inline bool ksms_same_address(const __u64 seen[2], const ksms_u8 sent[16]) {
    const __u64 *words = (const __u64 *)sent;
    return seen[0] == words[0] && seen[1] == words[1];
}

/* Protocol and port of probe->service, as asked for. */
static __always_inline bool ksms_asked(struct ksms_probe *probe) {
    if (probe->scan->store == KSMS_STORE_DENSE) {
        __u32 index = KSMS_DENSE_NUMBERS + probe->service;
        void *table = bpf_map_lookup_elem(&dense_services, &probe->dscp);
        const ksms_u64 *entry = table ? bpf_map_lookup_elem(table, &index) : NULL;
        if (!entry) return false;
        probe->protocol = *entry >> 16;
        probe->port = *entry;
    } else {
        struct ksms_service_number_key key = {.dscp = probe->dscp, .service = probe->service};
        const struct ksms_service_number_value *asked = bpf_map_lookup_elem(&service_numbers, &key);
        if (!asked) return false;
        probe->protocol = asked->protocol;
        probe->port = asked->port;
    }
    return true;
}

/* Which service of which entry it is. */
static __always_inline bool ksms_find_service(struct ksms_probe *probe) {
    probe->service = probe->probe % probe->scan->services;
    probe->entry = probe->probe / probe->scan->services;
    probe->source_port = probe->scan->source_port + probe->entry * probe->scan->port_step;
    return ksms_asked(probe);
}

/* Who sends a datagram's content back, as an echo service does, sends our token. It goes to the
 * scan's source, or comes from its destination, the other way round than a probe, and so do its
 * ports: a destination that forwards a probe elsewhere may also make itself its source. */
static __always_inline bool ksms_is_echo(const struct ksms_packet *packet,
                                         const struct ksms_probe *probe) {
    const struct ksms_scan *scan = probe->scan;
    if (packet->protocol != IPPROTO_UDP) return false;
    if (packet->source_port != probe->port && packet->destination_port != probe->source_port)
        return false;
    if (ksms_same_address(packet->source, scan->destination))
        return !ksms_same_address(packet->destination, scan->destination);
    return ksms_same_address(packet->destination, scan->source) &&
           !ksms_same_address(packet->source, scan->source);
}

static __always_inline bool ksms_own(const struct ksms_reader *from,
                                     const struct ksms_packet *packet, struct ksms_probe *probe) {
    __u32 zero = 0;
    const struct ksms_config *installed = bpf_map_lookup_elem(&config, &zero);
    if (!packet->probe || !installed) return false;
    __u32 token = ksms_token_open(packet->token, installed->token_key);
    probe->dscp = ksms_token_dscp(token);
    probe->probe = ksms_token_probe(token);
    const struct ksms_scan *scan = probe->scan = ksms_active_scan(probe->dscp);
    if (!scan || packet->family != scan->family || probe->probe >= scan->probes) return false;
    bool source = ksms_same_address(packet->source, scan->source);
    bool destination = ksms_same_address(packet->destination, scan->destination);
    if (ksms_token_check(token) != (scan->generation & 0xff)) {
        if (source && destination) ksms_stat(KSMS_STAT_STALE);
        return false;
    }
    /* A router that translates both ways leaves no address and no port as it was. 64 bits of a
     * datagram are ours already, and of a SYN with its timestamp; without one, the DSCP. */
    return ksms_find_service(probe) && packet->protocol == probe->protocol &&
           !ksms_is_echo(packet, probe) &&
           (destination || source || packet->source_port == probe->source_port ||
            packet->destination_port == probe->port || packet->dscp == scan->carried ||
            packet->protocol == IPPROTO_UDP || ksms_is_stamped(from, packet));
}

/* Not ours, but under the DSCP of a scan and to one of its services. An answer goes to a service
 * only by chance, and is none. @return false: it means nothing to any scan */
static __always_inline bool ksms_stranger(const struct ksms_packet *packet,
                                          struct ksms_probe *probe) {
    probe->dscp = packet->dscp;
    probe->scan = ksms_active_scan(probe->dscp);
    if (!probe->scan || packet->answer) return false;
    probe->protocol = packet->protocol;
    probe->port = packet->destination_port;
    probe->entry = 0;
    if (probe->scan->store == KSMS_STORE_DENSE) {
        __u32 index = (probe->protocol == IPPROTO_UDP ? 65536 : 0) + probe->port;
        void *table = bpf_map_lookup_elem(&dense_services, &probe->dscp);
        const ksms_u64 *number = table ? bpf_map_lookup_elem(table, &index) : NULL;
        if (!number || *number == 0) return false;
        probe->service = *number - 1;
    } else {
        struct ksms_service_key key = {
            .dscp = probe->dscp, .protocol = probe->protocol, .port = probe->port};
        const struct ksms_service_value *number = bpf_map_lookup_elem(&services, &key);
        if (!number) return false;
        probe->service = number->service;
    }
    probe->probe = probe->service;
    return true;
}
