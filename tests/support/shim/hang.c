// SPDX-License-Identifier: BSD-2-Clause
// Loaded in front of the C library (LD_PRELOAD): a disk and a database of users that hang as long
// as $KSMST_HANG/NAME is there, where NAME is that of the function.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void hang(const char* function) {
    const char* directory = getenv("KSMST_HANG");
    char path[4096];
    if (directory == NULL) return;
    snprintf(path, sizeof path, "%s/%s", directory, function);
    while (access(path, F_OK) == 0) poll(NULL, 0, 5);
}

int fdatasync(int fd) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    hang("fdatasync");
    return next(fd);
}

int getpwuid_r(uid_t uid, struct passwd* entry, char* text, size_t size, struct passwd** found) {
    int (*next)(uid_t, struct passwd*, char*, size_t, struct passwd**) = (int (*)(
        uid_t, struct passwd*, char*, size_t, struct passwd**))dlsym(RTLD_NEXT, "getpwuid_r");
    hang("getpwuid_r");
    return next(uid, entry, text, size, found);
}
