/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the BPF programs and user space share: keys, values, enums, limits. C types of fixed width,
 * padding spelled out, sizes and offsets asserted. Byte order is the host's unless a comment says
 * otherwise. Whoever changes a layout or a meaning here raises KSMS_ABI_VERSION. */
#pragma once

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
using ksms_u8 = std::uint8_t;
using ksms_u16 = std::uint16_t;
using ksms_u32 = std::uint32_t;
using ksms_u64 = std::uint64_t;
#define KSMS_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), #type)
#define KSMS_ASSERT_OFFSET(type, field, at) \
    static_assert(offsetof(type, field) == (at), #type "." #field)
#else
#include <linux/types.h>
#include <stddef.h>
typedef __u8 ksms_u8;
typedef __u16 ksms_u16;
typedef __u32 ksms_u32;
typedef __u64 ksms_u64;
#define KSMS_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#define KSMS_ASSERT_OFFSET(type, field, at) \
    _Static_assert(offsetof(type, field) == (at), #type "." #field)
#endif

#define KSMS_ABI_VERSION 7u

enum ksms_limits {
    KSMS_DSCPS = 64,               /* RFC 2474: six bits */
    KSMS_EVERY_SCAN = KSMS_DSCPS,  /* ksms_tap.dscp of a link that a process keeps for all scans */
    KSMS_MAX_PROBES = 1 << 18,     /* services x entries of one scan: 18 bits of the token */
    KSMS_MAX_SERVICES = 2 * 65535, /* every TCP and UDP port */
    KSMS_MAX_ENTRIES = 64,         /* namespaces that own the source */
    KSMS_MAX_ROUTERS = 256,        /* of one scan */
    KSMS_MAX_TAPS =
        16384, /* attached at once, all scans; a tap id is a u16 (the filter's classid) */
    KSMS_HASH_PROBES = 65536, /* room in the hashes, all scans that use them together */
    KSMS_HASH_COUNTERS = 262144,
    KSMS_HASH_LIMIT = 4096,   /* probes x routers x 2 from which on a scan takes dense maps */
    KSMS_HASH_EVENTS = 16384, /* of all scans that record trails at the same time */
    KSMS_SCAN_EVENTS = 2048,  /* of one of them, that it has not read yet */
    KSMS_NAME_LENGTH = 64,
    KSMS_JOB_LENGTH = 72, /* 63 characters behind "ksmsd:", rounded up to 8 */
    KSMS_JOURNAL_ENTRIES = 65536,
};

enum ksms_direction { KSMS_INGRESS = 0, KSMS_EGRESS = 1, KSMS_DIRECTIONS = 2 };

enum ksms_tap_kind {
    KSMS_TAP_NONE = 0,
    KSMS_TAP_CLSACT =
        1,            /* a cls_bpf filter; its classid is the tap's id; counts for one scan only */
    KSMS_TAP_TCX = 2, /* a TCX link (6.6 and later); counts for every scan that names it */
    KSMS_TAP_XDP = 3, /* an XDP link, ingress only; counts for every scan that names it */
    /* A BPF netfilter link (6.4 and later) at PRE_ROUTING or POST_ROUTING: of the whole router,
     * interface 0; counts for every scan that names it. */
    KSMS_TAP_NETFILTER_IPV4 = 4,
    KSMS_TAP_NETFILTER_IPV6 = 5,
};

enum ksms_store { KSMS_STORE_NONE = 0, KSMS_STORE_HASH = 1, KSMS_STORE_DENSE = 2 };

/* leases: array[64], index = DSCP. `state` alone says who has it: generation << 8 | what, changed
 * by compare-and-exchange. The other fields are written while it says BUSY or CHANGING, by whoever
 * set it so. */
enum ksms_lease_state {
    KSMS_LEASE_FREE = 0,
    KSMS_LEASE_BUSY = 1, /* one caller writes its fields */
    KSMS_LEASE_HELD = 2,
    KSMS_LEASE_CLAIMED = 3, /* written; the caller looks whether the job is claimed elsewhere too */
    KSMS_LEASE_CHANGING = 4, /* held; one caller renews it, or looks whether it is to be reaped */
};

struct ksms_lease {
    ksms_u64 state;
    ksms_u64 owner_start;  /* clock ticks since boot: field 22 of /proc/PID/stat; 0: no owner */
    ksms_u64 allocated_ns; /* CLOCK_MONOTONIC */
    ksms_u64 expires_ns;   /* CLOCK_MONOTONIC; 0: never */
    ksms_u64 ttl_ns;       /* as asked for last; 0: none */
    ksms_u64 scanning;     /* the scan that runs under it, a ksms_process_word; 0: none */
    ksms_u64 orphan;       /* the generation whose owner has ended */
    ksms_u32 owner_pid;    /* in the initial PID namespace; 0: no owner, the time to live alone */
    ksms_u32 uid;          /* of the caller that allocated, in the initial user namespace */
    ksms_u32 dscp;
    ksms_u32 pad;
    char job[KSMS_JOB_LENGTH]; /* padded with zeros, as `user` */
    char user[KSMS_NAME_LENGTH];
};
KSMS_ASSERT_SIZE(struct ksms_lease, 208);
KSMS_ASSERT_OFFSET(struct ksms_lease, owner_pid, 56);
KSMS_ASSERT_OFFSET(struct ksms_lease, job, 72);

/* A process in one word: start << 22 | PID (PID_MAX_LIMIT is 2^22). */
static inline ksms_u64 ksms_process_word(ksms_u64 start, ksms_u32 pid) {
    return start << 22 | (pid & 0x3fffffu);
}
static inline ksms_u32 ksms_process_word_pid(ksms_u64 word) {
    return word & 0x3fffffu;
}

/* waiters: array[128]. A call that allocates takes a slot for what it asks; if nothing is free and
 * it may wait, it stays there until it is answered. `state` is sequence << 8 | what. */
enum {
    KSMS_WAITERS = 128,
    KSMS_ROOT_WAITERS = 16, /* the last ones: root's alone */
};
enum ksms_waiter_state {
    KSMS_WAITER_FREE = 0,
    KSMS_WAITER_WRITING = 1, /* its caller writes it, or tries for it */
    KSMS_WAITER_WAITING = 2,
    KSMS_WAITER_SERVING = 3,  /* somebody who freed a DSCP tries for it */
    KSMS_WAITER_ANSWERED = 4, /* its process has not fetched the answer yet */
};

struct ksms_lease_request {
    ksms_u64 allowed;     /* bit n: DSCP n will do; what the limits leave of them is given out */
    ksms_u64 ttl_ns;      /* 0: none (with an owner only) */
    ksms_u64 owner_start; /* as in a lease */
    ksms_u32 owner_pid;
    ksms_u32 uid; /* of the caller, whatever user space writes here; KSMS_OWNER_GIVEN: as written */
    char job[KSMS_JOB_LENGTH];
    char user[KSMS_NAME_LENGTH];
};
KSMS_ASSERT_SIZE(struct ksms_lease_request, 168);

struct ksms_waiter {
    ksms_u64 state;
    ksms_u64 ticket;        /* the order of asking */
    ksms_u64 process;       /* who waits, a ksms_process_word */
    ksms_u64 process_ended; /* the sequence whose process has ended */
    ksms_u64 owner_ended;   /* the sequence whose owner has ended */
    ksms_u64 generation;    /* the answer: of the lease */
    ksms_u64 allocated_ns;
    ksms_u64 expires_ns;
    ksms_u64 promised; /* bit n: whoever asked later is not given DSCP n */
    ksms_u32 dscp;
    ksms_u32 result;     /* as in ksms_registry_call */
    ksms_u32 owner_kind; /* enum ksms_owner_kind */
    ksms_u32 pad;
    struct ksms_lease_request request;
};
KSMS_ASSERT_SIZE(struct ksms_waiter, 256);
KSMS_ASSERT_OFFSET(struct ksms_waiter, request, 88);

/* limits: array[1]: what the configuration allows. Zeros until root has set it: nothing. Every
 * call is held against it, whatever the caller says; KSMS_OWNER_GIVEN, which is root's, is not. */
struct ksms_lease_limits {
    ksms_u64 dscps;        /* bit n: DSCP n may be given out */
    ksms_u64 member_dscps; /* … to others than root */
    ksms_u64 ttl_ns;       /* where the caller has no other wish; user space goes by it */
    ksms_u64 longest_ns;   /* time to live, of others than root */
    ksms_u32 max_jobs;     /* leases at one moment */
    ksms_u32 member_jobs;  /* … of others than root, all together */
    ksms_u32 user_leases;  /* … of one user who is not root */
    ksms_u32 user_waiters; /* calls of such a user that wait at one moment */
};
KSMS_ASSERT_SIZE(struct ksms_lease_limits, 48);
/* The longest time to live that root can give: no sum with CLOCK_MONOTONIC wraps round. 36 years.
 */
#define KSMS_LONGEST_NS (1ull << 60)

/* registry: array[1]: the table's own figures. */
struct ksms_registry {
    ksms_u32 abi; /* KSMS_ABI_VERSION; first, for ever */
    ksms_u32 pad;
    ksms_u64 root;        /* hash of the path that it is pinned under */
    ksms_u64 serving;     /* changes that whoever serves the waiters has not looked at yet */
    ksms_u64 waiting;     /* waiters that are not answered, or have not fetched it */
    ksms_u64 next_ticket; /* counts up */
    ksms_u64 in_use;      /* bit n: DSCP n is claimed or held; the lease's own state decides */
    ksms_u64 most;        /* leases held at one moment */
    ksms_u64 allocated;   /* counts up, like all below */
    ksms_u64 released;
    ksms_u64 refused;     /* none was free, or the one asked for was not */
    ksms_u64 waited;      /* calls that had to wait */
    ksms_u64 reaped_exit; /* the owner ended */
    ksms_u64 reaped_time; /* the time was over */
};
KSMS_ASSERT_SIZE(struct ksms_registry, 104);

/* owners: array[1]: the processes that a process exit may concern, for the exit hook to look at
 * quickly. A superset: what has ended stays until it is overwritten. PIDs; 0: none. */
struct ksms_owners {
    ksms_u32 lease[KSMS_DSCPS]; /* index = DSCP */
    ksms_u32 scan[KSMS_DSCPS];
    ksms_u32 waiter[KSMS_WAITERS];
    ksms_u32 waiter_owner[KSMS_WAITERS];
};
KSMS_ASSERT_SIZE(struct ksms_owners, 1536);

/* scans: array[64], index = DSCP: what the taps must know of a scan.
 * */
struct ksms_scan {
    ksms_u32 active;     /* 1 while probes of it may be on the wire */
    ksms_u32 generation; /* of the lease; its low 8 bits are in every token */
    ksms_u32 probes;     /* services x entries */
    ksms_u32 services;   /* probe index = entry * services + service */
    ksms_u16 store;      /* enum ksms_store */
    ksms_u8 carried;     /* the DSCP of its packets: the job's, or another where rules look at it */
    ksms_u8 pad;
    ksms_u32 routers; /* slots in use */
    ksms_u32 owner_pid;
    ksms_u16 source_port; /* of every probe of entry 0 */
    ksms_u8 family;       /* 4 or 6 */
    ksms_u8 port_step;    /* from one entry's source port to the next one's */
    ksms_u8 source[16];   /* network order, IPv4 in the first four */
    ksms_u8 destination[16];
};
KSMS_ASSERT_SIZE(struct ksms_scan, 64);
KSMS_ASSERT_OFFSET(struct ksms_scan, source, 32);

/* scan_routers: hash; which taps count for which scan, and in which slot.
 * */
struct ksms_scan_router_key {
    ksms_u32 router; /* inode of the network namespace */
    ksms_u32 dscp;
};
struct ksms_scan_router {
    ksms_u16 slot;
    ksms_u8 ingress_kind; /* enum ksms_tap_kind that counts; drops in a namespace with both NONE are
                             still noted */
    ksms_u8 egress_kind;
    ksms_u32 pad;
};
KSMS_ASSERT_SIZE(struct ksms_scan_router_key, 8);
KSMS_ASSERT_SIZE(struct ksms_scan_router, 8);

/* services and service_numbers: what is probed; user space installs, BPF only looks up.
 * */
struct ksms_service_key {
    ksms_u8 dscp;
    ksms_u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
    ksms_u16 port;
};
struct ksms_service_value {
    ksms_u32 service; /* its number, 0 is the first asked for */
};
struct ksms_service_number_key {
    ksms_u32 dscp;
    ksms_u32 service;
};
struct ksms_service_number_value {
    ksms_u16 port;
    ksms_u8 protocol;
    ksms_u8 pad;
};
KSMS_ASSERT_SIZE(struct ksms_service_key, 4);
KSMS_ASSERT_SIZE(struct ksms_service_number_key, 8);
KSMS_ASSERT_SIZE(struct ksms_service_number_value, 4);

/* The dense form, one mmapable array of u64 a scan (inner map of dense_services, index = DSCP):
 *   [protocol == UDP ? 65536 + port : port]  1 + service, or 0
 *   [KSMS_DENSE_NUMBERS + service]           protocol << 16 | port */
#define KSMS_DENSE_NUMBERS 131072u

/* counters: what a tap saw of a probe.
 * */
struct ksms_counter_key {
    ksms_u8 dscp; /* of the job */
    ksms_u8 protocol;
    ksms_u16 port;     /* that was asked for */
    ksms_u32 router;   /* inode of the network namespace */
    ksms_u16 entry;    /* 0 for the first namespace that owns the source */
    ksms_u8 direction; /* enum ksms_direction */
    ksms_u8 pad;
};
KSMS_ASSERT_SIZE(struct ksms_counter_key, 12);

enum ksms_counter_flags {
    KSMS_SEEN_REMARKED = 1,   /* seen_dscp is not what it was sent with */
    KSMS_SEEN_TRANSLATED = 2, /* an address or a port differs: see translations */
    KSMS_SEEN_FRAGMENT = 4,
    KSMS_SEEN_VLAN = 8,
};

/* What the namespace itself sent back to a probe. */
enum ksms_answer {
    KSMS_ANSWER_NONE = 0,
    KSMS_ANSWER_ICMP = 1,    /* an error that quotes it */
    KSMS_ANSWER_RESET = 2,   /* TCP RST that acknowledges it */
    KSMS_ANSWER_SYN_ACK = 3, /* somebody here accepts the connection */
};

struct ksms_counter {
    ksms_u64 packets;  /* our own probes, GSO segments counted each */
    ksms_u64 bytes;    /* from the network header on: what IP says */
    ksms_u64 first_ns; /* CLOCK_MONOTONIC */
    ksms_u64 last_ns;
    ksms_u32 strangers; /* same DSCP, protocol and port, but not ours */
    ksms_u32 ifindex;   /* of the tap that saw the probe last */
    ksms_u32 router;    /* as in the key */
    ksms_u16 port;
    ksms_u16 seen_port; /* the destination port it carried; differs after DNAT */
    ksms_u16 entry;
    ksms_u8 dscp;
    ksms_u8 protocol;
    ksms_u8 direction;
    ksms_u8 seen_dscp;
    ksms_u8 flags;     /* enum ksms_counter_flags */
    ksms_u8 ttl;       /* TTL or hop limit it carried */
    ksms_u32 tap;      /* id of the tap that saw it last */
    ksms_u8 answer;    /* enum ksms_answer; egress only, also where `packets` is 0 */
    ksms_u8 icmp_type; /* of KSMS_ANSWER_ICMP */
    ksms_u8 icmp_code;
    ksms_u8 pad;
};
KSMS_ASSERT_SIZE(struct ksms_counter, 64);
KSMS_ASSERT_OFFSET(struct ksms_counter, strangers, 32);
KSMS_ASSERT_OFFSET(struct ksms_counter, tap, 56);

/* The dense form: inner map of dense_counters, one mmapable array of struct ksms_counter a scan:
 *   [(slot * KSMS_DIRECTIONS + direction) * probes + probe] */

/* translations: the addresses a translated probe carried.
 * */
struct ksms_translation {
    ksms_u8 source[16];
    ksms_u8 destination[16];
    ksms_u16 source_port;
    ksms_u16 destination_port;
    ksms_u8 family;
    ksms_u8 pad[3];
};
KSMS_ASSERT_SIZE(struct ksms_translation, 40);

/* drops: what kfree_skb said of a probe.
 * */
struct ksms_drop_key {
    ksms_u8 dscp;
    ksms_u8 protocol;
    ksms_u16 port;
    ksms_u32 router;
    ksms_u16 entry;
    ksms_u16 pad;
};
struct ksms_drop {
    ksms_u64 place;  /* address in the kernel's text; 0: nothing was dropped */
    ksms_u64 at_ns;  /* CLOCK_MONOTONIC, of the last */
    ksms_u32 reason; /* enum skb_drop_reason of the running kernel */
    ksms_u32 count;
    ksms_u32 ifindex; /* skb->dev; 0 where there was none */
    ksms_u16 port;
    ksms_u8 protocol;
    ksms_u8 hook; /* enum ksms_hook */
};
KSMS_ASSERT_SIZE(struct ksms_drop_key, 12);
KSMS_ASSERT_SIZE(struct ksms_drop, 32);

enum ksms_hook {
    KSMS_HOOK_UNKNOWN = 0,
    KSMS_HOOK_PREROUTING = 1,
    KSMS_HOOK_INPUT = 2,
    KSMS_HOOK_FORWARD = 3,
    KSMS_HOOK_OUTPUT = 4,
    KSMS_HOOK_POSTROUTING = 5,
    KSMS_HOOK_INGRESS = 6, /* of the device, in front of IP: netdev family, TC, XDP */
    KSMS_HOOK_EGRESS = 7,  /* of the device, behind IP */
};
/* The dense form: inner map of dense_drops, struct ksms_drop: [slot * probes + probe] */

/* trail_ends: array[64], index = DSCP. trail: hash, {dscp, number} -> what happened to a probe, in
 * the order of the numbers. Recorded while a scan looks closely at single probes, and for all
 * namespaces of the machine. */
struct ksms_trail_end {
    ksms_u64 events; /* the number of the next; counts up */
    ksms_u64 limit;  /* none from this number on is recorded; 0: nobody records */
};
struct ksms_trail_key {
    ksms_u32 dscp;
    ksms_u32 pad;
    ksms_u64 number;
};
enum ksms_event_kind {
    KSMS_EVENT_NONE = 0,
    KSMS_EVENT_IN = 1,       /* netif_receive_skb: it came in by a device */
    KSMS_EVENT_OUT = 2,      /* net_dev_start_xmit: a device sends it, behind its queue */
    KSMS_EVENT_DROPPED = 3,  /* kfree_skb; the buffer is free from here on */
    KSMS_EVENT_CONSUMED = 4, /* consume_skb; likewise */
    KSMS_EVENT_ACCEPTED = 5, /* it passed all of LOCAL_IN (Linux 6.4) */
    KSMS_EVENT_ROUTED = 6,   /* it passed all of POST_ROUTING (Linux 6.4) */
};
enum ksms_event_flags {
    KSMS_EVENT_MADE_HERE = 1,   /* it came into this namespace by no device */
    KSMS_EVENT_HAS_SOCKET = 2,  /* it still belongs to the socket that sent it */
    KSMS_EVENT_FOR_ANOTHER = 4, /* PACKET_OTHERHOST: a frame that was flooded */
    KSMS_EVENT_WRAPPED = 8,     /* in another packet; addresses and ports are zeros */
};
struct ksms_event {
    ksms_u64 at_ns; /* CLOCK_MONOTONIC */
    ksms_u64 skb;   /* the buffer's address: who it is, until it is free */
    ksms_u64 head;  /* the data's address: clones share it */
    ksms_u64 place; /* of a drop, as in ksms_drop */
    ksms_u32 netns; /* inode */
    ksms_u32 ifindex;
    ksms_u32 probe;
    ksms_u32 reason; /* of a drop */
    ksms_u8 kind;    /* enum ksms_event_kind */
    ksms_u8 flags;   /* enum ksms_event_flags */
    ksms_u8 hook;    /* of a drop, enum ksms_hook */
    ksms_u8 dscp;    /* that the packet carries, like all below */
    ksms_u8 ttl;
    ksms_u8 family;
    ksms_u16 source_port;
    ksms_u16 destination_port;
    ksms_u8 pad[6];
    ksms_u8 source[16];
    ksms_u8 destination[16];
};
struct ksms_followed {
    ksms_u32 dscp;
    ksms_u32 probe;
};
KSMS_ASSERT_SIZE(struct ksms_followed, 8);
KSMS_ASSERT_SIZE(struct ksms_trail_end, 16);
KSMS_ASSERT_SIZE(struct ksms_trail_key, 16);
KSMS_ASSERT_SIZE(struct ksms_event, 96);
KSMS_ASSERT_OFFSET(struct ksms_event, source, 64);

/* taps: hash, id -> where it is and what passed it.
 * */
struct ksms_tap_id_key {
    ksms_u32 router;
    ksms_u32 ifindex;
    ksms_u32 direction;
    ksms_u32 kind;
};
struct ksms_tap {
    ksms_u32 router; /* inode of the network namespace */
    ksms_u32 ifindex;
    ksms_u64 cookie; /* SO_NETNS_COOKIE of the namespace: inodes are used again, cookies are not */
    ksms_u32 direction;
    ksms_u32 kind;       /* enum ksms_tap_kind */
    ksms_u32 dscp;       /* the one scan that a clsact tap counts for; KSMS_EVERY_SCAN */
    ksms_u32 link;       /* id of the BPF link; 0 for clsact */
    ksms_u32 owner_pid;  /* 0: it stays (tap attach) */
    ksms_u32 generation; /* of the scan's lease: the DSCP may have a new holder before a dead scan's
                            filters are gone */
    ksms_u64 packets;    /* that it parsed and that carried a DSCP with a scan */
    ksms_u64 own;        /* of those, probes */
    ksms_u64 strangers;
    ksms_u64 unparsable; /* truncated, ihl < 5, header chain too long, … */
    ksms_u64 fragments;  /* without a transport header; never counted as a probe */
    char interface[16];  /* IFNAMSIZ */
    char router_name[KSMS_NAME_LENGTH];
};
KSMS_ASSERT_SIZE(struct ksms_tap, 160);
KSMS_ASSERT_OFFSET(struct ksms_tap, packets, 40);

/* stats: array, the programs' own failures; never silent.
 * */
enum ksms_stat {
    KSMS_STAT_UNPARSABLE = 0, /* packets no tap could parse */
    KSMS_STAT_FRAGMENT,       /* later fragments of a marked packet */
    KSMS_STAT_COUNTERS_FULL,  /* a probe was not counted: the counters map is full */
    KSMS_STAT_DROPS_FULL,
    KSMS_STAT_TRANSLATIONS_FULL,
    KSMS_STAT_NO_TAP,   /* a program ran that no tap entry describes */
    KSMS_STAT_NO_STORE, /* a probe of a scan without a store */
    KSMS_STAT_STALE,    /* a token of an earlier lease */
    KSMS_STAT_TRAIL_FULL,
    KSMS_STATS,
};

/* config: array[1].
 * */
struct ksms_config {
    ksms_u32 abi; /* KSMS_ABI_VERSION; first, for ever */
    ksms_u32 pad;
    ksms_u64 active_scans;     /* bit n: scans[n] is active; 0: every tap hands on at once */
    ksms_u64 object_hash;      /* of the linked BPF object that is installed */
    ksms_u64 root;             /* hash of the path that it is pinned under */
    ksms_u32 token_key[4];     /* secret of this machine, until its pins go */
    ksms_u32 next_source_port; /* counts up; a scan takes one, modulo its range */
    ksms_u32 next_tap;         /* counts up, modulo KSMS_MAX_TAPS */
};
KSMS_ASSERT_SIZE(struct ksms_config, 56);
KSMS_ASSERT_OFFSET(struct ksms_config, token_key, 32);

/* journal: hash; what a process did that the kernel does not take back when it dies.
 * */
enum ksms_journal_kind {
    KSMS_DID_QDISC = 1,     /* created clsact on ifindex */
    KSMS_DID_FILTER = 2,    /* added a filter: direction, priority, handle */
    KSMS_DID_NEIGHBOUR = 3, /* added a temporary neighbour: family, address */
    KSMS_DID_SCAN = 4,      /* took the scan slot of dscp: maps and dense pins */
    KSMS_DID_LEASE = 5,     /* allocated dscp under generation */
    KSMS_DID_TAP = 6,       /* took the tap id in handle */
    KSMS_DID_PIN = 7,       /* pinned name under the pin root */
};
struct ksms_journal_key {
    ksms_u64 start; /* of the process: field 22 of /proc/PID/stat */
    ksms_u32 pid;
    ksms_u32 number; /* counts up; undone from the highest down */
};
struct ksms_journal_entry {
    ksms_u64 cookie; /* SO_NETNS_COOKIE of the namespace */
    ksms_u32 netns;  /* its inode */
    ksms_u32 kind;   /* enum ksms_journal_kind */
    ksms_u32 ifindex;
    ksms_u32 handle; /* of the filter, or the tap id */
    ksms_u32 generation;
    ksms_u16 priority;
    ksms_u8 direction;
    ksms_u8 family; /* 4 or 6 */
    ksms_u8 address[16];
    ksms_u8 lladdr[6];
    ksms_u8 dscp;
    ksms_u8 leaving; /* of a tap: its writer has let the link go, and waits until the others have */
    char name[32];   /* of the pin, relative to the pin root */
};
KSMS_ASSERT_SIZE(struct ksms_journal_key, 16);
KSMS_ASSERT_SIZE(struct ksms_journal_entry, 88);

/* The context of ksms_lease, SEC("syscall"): the registry's one entry, for every user who may open
 * its pin. */
enum ksms_registry_op {
    KSMS_OP_ALLOCATE = 1,
    KSMS_OP_FETCH = 2,    /* the answer to a call that waits */
    KSMS_OP_WITHDRAW = 3, /* waits no longer; the answer if there is one already */
    KSMS_OP_RENEW = 4,
    KSMS_OP_RELEASE = 5,
    KSMS_OP_REAP = 6,   /* root only: a lease that the caller has judged */
    KSMS_OP_OCCUPY = 7, /* the caller scans under the lease; one at a time */
    KSMS_OP_VACATE = 8,
};

enum ksms_owner_kind {
    KSMS_OWNER_CALLER = 0, /* the calling process */
    KSMS_OWNER_NONE = 1,
    KSMS_OWNER_PIDFD = 2, /* the process behind the descriptor owner_fd (pidfd_open(2)) */
    KSMS_OWNER_GIVEN = 3, /* root only: owner_pid and owner_start as they are */
};

struct ksms_registry_call {
    struct ksms_lease_request request; /* in: allocate; out: owner_pid, owner_start and uid */
    ksms_u64 generation;   /* in: release, renew, reap, occupy: of the lease meant; out: allocate */
    ksms_u64 expires_ns;   /* in: reap: of the lease as the caller saw it; out: allocate, renew */
    ksms_u64 allocated_ns; /* out: allocate */
    ksms_u64 sequence;     /* out: of the wait; in: fetch, withdraw */
    ksms_u64 ttl_ns;       /* in: renew; 0: none */
    ksms_u64 owner_start;  /* in: reap: of the lease as the caller saw it */
    ksms_u32 owner_pid;    /* in: as owner_start */
    ksms_u32 dscp;         /* in: release, renew, reap, occupy; out: what was allocated */
    ksms_u32 op;           /* enum ksms_registry_op */
    ksms_u32 owner_kind;   /* enum ksms_owner_kind */
    ksms_u32 owner_fd;
    ksms_u32 named_pid; /* in: the process behind owner_fd, as the caller's PID namespace has it */
    ksms_u32 may_wait;  /* in: allocate */
    ksms_u32 waiter;    /* out: of the wait; in: fetch, withdraw */
    ksms_u32 result;    /* out: 0, or an errno:
                           EBUSY    nothing allowed is free, or as many are held as there can be;
                                    occupy: a scan runs under it
                           EDQUOT   the user holds as many leases as one may
                           EMFILE   as many calls of the user wait as may
                           EDOM     none of the DSCPs asked for is given out to this user
                           ERANGE   a longer time to live than this user may have
                           EACCES   a name that is the service's (KSMS_SERVICE_PREFIX)
                           EOPNOTSUPP  the caller is in a user namespace of its own, where UIDs
                                    are what its owner makes them
                           EINPROGRESS  waits: fetch the answer
                           ECANCELED    was withdrawn
                           EEXIST   the same owner holds the job: dscp and generation say what
                           EUSERS   another owner or user holds the job: dscp says which
                           EAGAIN   another caller is between two steps: try again
                           ESTALE   held under another generation; reap: renewed since
                           ENOENT   not held; no such wait
                           EPERM    another user's lease or process
                           ESRCH    the owner has ended, or owner_fd is another's pidfd
                           EBADF    owner_fd is no pidfd
                           ENOSPC   too many calls at once
                           EINVAL   no such op; neither an owner nor a time to live; a name that
                                    is none */
    ksms_u32 pad;
};
KSMS_ASSERT_SIZE(struct ksms_registry_call, 256);
KSMS_ASSERT_OFFSET(struct ksms_registry_call, generation, 168);
KSMS_ASSERT_OFFSET(struct ksms_registry_call, owner_pid, 216);

/* Jobs of the service: names that begin so are root's alone. */
#define KSMS_SERVICE_PREFIX "ksmsd:"

/* The context of ksms_setup, SEC("syscall"): a pidfd of the calling process, by which the program
 * learns what a pidfd is. It returns 0, or EBADF. */
struct ksms_setup_call {
    ksms_u32 pidfd;
    ksms_u32 pad;
};
KSMS_ASSERT_SIZE(struct ksms_setup_call, 8);

/* reasons: hash, enum skb_drop_reason of the running kernel -> its name without the prefix, written
 * at installation from the kernel's BTF */
struct ksms_reason_name {
    char name[48];
};
KSMS_ASSERT_SIZE(struct ksms_reason_name, 48);

/* injections: lru_hash, thread (in the initial PID namespace) -> what it injects next. Packets are
 * from the IP header on, whole but for the destination port, the token and the transport checksum,
 * which are 0. */
enum { KSMS_INJECTION_PROBES = 512, KSMS_INJECTION_BYTES = 80 };
struct ksms_injected_packet {
    ksms_u8 bytes[KSMS_INJECTION_BYTES];
    ksms_u32 size;
    ksms_u32 sum; /* RFC 1071, of pseudo header and segment, not folded */
};
struct ksms_injection {
    ksms_u32 dscp; /* of the scan */
    ksms_u32 count;
    ksms_u32 next; /* 0 */
    ksms_u8 ethernet[14];
    ksms_u8 sent; /* 1: the interface sends it to its peer; 0: it comes in by the interface */
    ksms_u8 consecutive; /* 1: probes[0], and those whose numbers follow it */
    struct ksms_injected_packet tcp, udp;
    ksms_u32 probes[KSMS_INJECTION_PROBES]; /* entry * services + service */
};
KSMS_ASSERT_SIZE(struct ksms_injected_packet, 88);
KSMS_ASSERT_SIZE(struct ksms_injection, 2252);

/* The context of ksms_symbol, SEC("syscall"): the kernel function that an address is in ("%ps" of
 * bpf_snprintf). */
struct ksms_symbol_call {
    ksms_u64 address; /* in */
    char name[64];    /* out; an address in hex where the kernel knows none */
};
KSMS_ASSERT_SIZE(struct ksms_symbol_call, 72);
