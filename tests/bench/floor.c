// SPDX-License-Identifier: BSD-2-Clause
// The floor of a scan: sends the packets that a scan sends, and does nothing else. In the network
// namespace of the caller:
//   floor send SOURCE DESTINATION tcp|udp FIRST LAST
//       raw, by sendmmsg(2), from as many threads as there are processors
//   floor inject INTERFACE MAC SOURCE DESTINATION tcp|udp FIRST LAST
//       one live-frames run (BPF_PROG_TEST_RUN) at the interface, which has the address MAC
// One packet for each port. IPv4. Exit 1 where a packet was not taken.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "floor.skel.h"

enum { BATCH = 64, SYN = 40, DATAGRAM = 8 + 16, LARGEST = 20 + SYN, SOURCE_PORT = 40000 };

struct packets {
    struct in_addr source, destination;
    int protocol;
    unsigned first, count;
};

static void die(const char* what, ...) {
    const int err = errno;
    va_list arguments;
    va_start(arguments, what);
    fputs("floor: ", stderr);
    vfprintf(stderr, what, arguments);
    fprintf(stderr, ": %s\n", strerror(err));
    va_end(arguments);
    exit(1);
}

static uint32_t sum(const void* data, unsigned size, uint32_t start) {
    const uint8_t* at = data;
    for (unsigned i = 0; i + 1 < size; i += 2) start += (uint32_t)at[i] << 8 | at[i + 1];
    return start;
}

static uint16_t folded(uint32_t value) {
    value = (value >> 16) + (value & 0xffff);
    return (uint16_t)~((value >> 16) + value);
}

static unsigned transport_size(const struct packets* packets) {
    return packets->protocol == IPPROTO_TCP ? SYN : DATAGRAM;
}

// The packet for port 0 with no transport checksum; @return the sum for that checksum.
static uint32_t build(const struct packets* packets, uint8_t* packet) {
    const unsigned size = transport_size(packets);
    memset(packet, 0, 20 + size);
    struct iphdr ip = {.version = 4, .ihl = 5, .tos = 32 << 2, .ttl = 64};
    ip.tot_len = htons((uint16_t)(20 + size));
    ip.frag_off = htons(IP_DF);
    ip.protocol = (uint8_t)packets->protocol;
    ip.saddr = packets->source.s_addr;
    ip.daddr = packets->destination.s_addr;
    ip.check = htons(folded(sum(&ip, sizeof ip, 0)));
    memcpy(packet, &ip, sizeof ip);
    if (packets->protocol == IPPROTO_TCP) {
        static const uint8_t options[20] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1};
        struct tcphdr tcp = {.doff = SYN / 4, .syn = 1};
        tcp.source = htons(SOURCE_PORT);
        tcp.window = htons(64240);
        memcpy(packet + 20, &tcp, sizeof tcp);
        memcpy(packet + 40, options, sizeof options);
    } else {
        struct udphdr udp = {.source = htons(SOURCE_PORT), .len = htons(DATAGRAM)};
        memcpy(packet + 20, &udp, sizeof udp);
    }
    const uint32_t pseudo = sum(packet + 12, 8, (uint32_t)packets->protocol + size);
    return sum(packet + 20, size, pseudo);
}

static unsigned checksum_offset(const struct packets* packets) {
    return packets->protocol == IPPROTO_TCP ? 36 : 26;
}

static void send_all(int fd, struct mmsghdr* messages, unsigned count) {
    while (count > 0) {
        const int sent = sendmmsg(fd, messages, count, 0);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) die("send");
        messages += sent;
        count -= (unsigned)sent;
    }
}

// A thread's share.
static void* send_share(void* argument) {
    const struct packets* packets = argument;
    static const int large = 4 << 20;
    const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0) die("open a raw socket");
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof large) != 0)
        die("SO_SNDBUFFORCE");
    uint8_t bytes[BATCH][LARGEST];
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH] = {0};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = packets->destination};
    const uint32_t start = build(packets, bytes[0]);
    for (unsigned i = 0; i < BATCH; ++i) {
        memcpy(bytes[i], bytes[0], LARGEST);
        parts[i] = (struct iovec){bytes[i], 20 + transport_size(packets)};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    for (unsigned done = 0; done < packets->count;) {
        unsigned count = 0;
        for (; count < BATCH && done < packets->count; ++count, ++done) {
            const uint16_t port = (uint16_t)(packets->first + done);
            const uint16_t checksum = folded(start + port);
            uint8_t* packet = bytes[count];
            packet[22] = (uint8_t)(port >> 8);
            packet[23] = (uint8_t)port;
            packet[checksum_offset(packets)] = (uint8_t)(checksum >> 8);
            packet[checksum_offset(packets) + 1] = (uint8_t)checksum;
        }
        send_all(fd, messages, count);
    }
    close(fd);
    return NULL;
}

static void send_packets(const struct packets* packets) {
    enum { MOST = 64 };
    pthread_t threads[MOST];
    struct packets shares[MOST];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors < 1) processors = 1;
    if (processors > MOST) processors = MOST;
    for (long i = 0; i < processors; ++i) {
        const unsigned begin = (unsigned)(packets->count * i / processors);
        shares[i] = *packets;
        shares[i].first += begin;
        shares[i].count = (unsigned)(packets->count * (i + 1) / processors) - begin;
        errno = pthread_create(&threads[i], NULL, send_share, &shares[i]);
        if (errno != 0) die("start a thread");
    }
    for (long i = 0; i < processors; ++i) pthread_join(threads[i], NULL);
}

static void inject_packets(const char* interface, const char* mac, const struct packets* packets) {
    struct ether_addr own;
    if (ether_aton_r(mac, &own) == NULL) die("%s is no MAC address", mac);
    struct floor_bpf* program = floor_bpf__open();
    if (program == NULL) die("open the program");
    uint8_t* frame = program->bss->frame_template;
    memcpy(frame, &own, ETH_ALEN);
    frame[6] = 2;  // a sender that is administered locally
    frame[12] = ETHERTYPE_IP >> 8;
    program->rodata->sum = build(packets, frame + ETH_HLEN);
    program->rodata->first_port = packets->first;
    program->rodata->size = ETH_HLEN + 20 + transport_size(packets);
    program->rodata->checksum_at = ETH_HLEN + checksum_offset(packets);
    if (floor_bpf__load(program) != 0) die("load the program");
    static const uint8_t empty[sizeof program->bss->frame_template];
    struct xdp_md context = {.data_end = sizeof empty,
                             .ingress_ifindex = if_nametoindex(interface)};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = empty, .data_size_in = sizeof empty,
                .ctx_in = &context, .ctx_size_in = sizeof context, .repeat = (int)packets->count,
                .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
    if (bpf_prog_test_run_opts(bpf_program__fd(program->progs.floor_inject), &run) != 0)
        die("inject at %s", interface);
    floor_bpf__destroy(program);
}

static struct packets read_packets(char** words) {
    struct packets packets = {0};
    if (inet_pton(AF_INET, words[0], &packets.source) != 1) die("%s is no IPv4 address", words[0]);
    if (inet_pton(AF_INET, words[1], &packets.destination) != 1)
        die("%s is no IPv4 address", words[1]);
    packets.protocol = strcmp(words[2], "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
    packets.first = (unsigned)atoi(words[3]);
    packets.count = (unsigned)atoi(words[4]) - packets.first + 1;
    return packets;
}

int main(int argc, char** argv) {
    if (argc == 7 && strcmp(argv[1], "send") == 0) {
        const struct packets packets = read_packets(argv + 2);
        send_packets(&packets);
        return 0;
    }
    if (argc == 9 && strcmp(argv[1], "inject") == 0) {
        const struct packets packets = read_packets(argv + 4);
        inject_packets(argv[2], argv[3], &packets);
        return 0;
    }
    fputs(
        "usage: floor send SOURCE DESTINATION tcp|udp FIRST LAST\n"
        "       floor inject INTERFACE MAC SOURCE DESTINATION tcp|udp FIRST LAST\n",
        stderr);
    return 2;
}
