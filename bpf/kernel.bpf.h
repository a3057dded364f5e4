/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The few fields of the kernel's own structures that are read; libbpf finds their offsets in the
 * running kernel's BTF. */
#pragma once

#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

enum {
    KSMS_IFF_EBRIDGE = 1 << 1, /* enum netdev_priv_flags, linux/netdevice.h */
    KSMS_IFF_BRIDGE_PORT = 1 << 9,
    KSMS_IFF_L3MDEV_MASTER = 1 << 18,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
    unsigned int inum;
};

struct net {
    struct ns_common ns;
};

typedef struct {
    struct net *net;
} possible_net_t;

struct net_device {
    possible_net_t nd_net;
    int ifindex;
    unsigned int flags;       /* IFF_LOOPBACK and the like: linux/if.h */
    unsigned long priv_flags; /* enum netdev_priv_flags */
    unsigned short hard_header_len;
    const unsigned char *dev_addr;
};

struct sock_common {
    possible_net_t skc_net;
};

struct sock {
    struct sock_common __sk_common;
};

struct sk_buff {
    struct net_device *dev;
    struct sock *sk;
    unsigned long _skb_refdst;
    int skb_iif;
    __u8 pkt_type : 3;
    __be16 protocol;
    __u16 network_header;
    __u16 mac_header;
    unsigned int len;
    unsigned int tail; /* offset from head on 64-bit machines */
    unsigned int end;  /* as tail */
    unsigned char *head, *data;
    char cb[48];
};

/* What IP keeps in sk_buff.cb; inet6_skb_parm has iif at its head, too. */
struct inet_skb_parm {
    int iif;
};

struct skb_shared_info {
    unsigned short gso_segs;
};

struct nf_hook_state {
    __u8 pf;
    struct net_device *in, *out;
    struct net *net;
};

/* Linux 6.4: the context of a BPF_PROG_TYPE_NETFILTER program. */
struct bpf_nf_ctx {
    const struct nf_hook_state *state;
    struct sk_buff *skb;
};

struct xdp_rxq_info {
    struct net_device *dev;
};

struct xdp_buff {
    struct xdp_rxq_info *rxq;
};

/* kernel/bpf/syscall.c; its cookie came with bpf_get_attach_cookie() for tp_btf, in Linux 6.10. */
struct bpf_raw_tp_link {
    __u64 cookie;
};

struct dst_entry {
    struct net_device *dev;
    unsigned short flags;
    short error;
};

struct rtable {
    struct dst_entry dst;
    __u16 rt_type;
};

struct rt6_info {
    struct dst_entry dst;
    __u32 rt6i_flags;
};

typedef struct {
    int counter;
} atomic_t;

typedef struct {
    unsigned int val;
} kuid_t;

struct user_namespace {
    int level; /* 0: the initial one */
};

struct cred {
    kuid_t uid;
    struct user_namespace *user_ns;
};

struct hlist_node {
    struct hlist_node *next;
};

struct hlist_head {
    struct hlist_node *first;
};

struct upid {
    int nr;
};

enum ksms_pid_type { KSMS_PIDTYPE_TGID = 1, KSMS_PIDTYPES = 4 }; /* enum pid_type, linux/pid.h */

struct pid {
    unsigned int level;
    struct hlist_head tasks[KSMS_PIDTYPES];
    struct upid numbers[1];
};

struct inode {
    void *i_private;
};

struct file {
    const void *f_op;
    void *private_data;
    struct inode *f_inode;
};

struct fdtable {
    unsigned int max_fds;
    struct file **fd;
};

struct files_struct {
    struct fdtable *fdt;
};

struct signal_struct {
    atomic_t live;
};

struct task_struct {
    int pid; /* of the thread */
    int tgid;
    __u64 start_boottime;
    struct task_struct *group_leader;
    struct pid *thread_pid;
    struct hlist_node pid_links[KSMS_PIDTYPES];
    const struct cred *real_cred;
    const struct cred *cred;
    struct files_struct *files;
    struct signal_struct *signal;
};

#pragma clang attribute pop

/* Linux 6.2: a program's context as the kernel has it. Weak, so that the object loads without the
 * programs that call it. */
extern void *bpf_cast_to_kern_ctx(void *context) __ksym __weak;
