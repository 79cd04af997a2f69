// What the Glibc module of the Swift toolchain lacks: epoll, timerfd, accept4, memmem, fallocate, pthread_setname_np, tgkill, the
// CPU affinity calls, prctl, mallopt, and the CRC32C instruction.
#pragma once
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

void *memmem(const void *haystack, size_t haystack_size, const void *needle, size_t needle_size);
int fallocate(int descriptor, int mode, off_t offset, off_t size);
int pthread_setname_np(pthread_t thread, const char *name);
int tgkill(pid_t process, pid_t thread, int signal);
int sched_getaffinity(pid_t process, size_t size, cpu_set_t *cpus);
int sched_setaffinity(pid_t process, size_t size, const cpu_set_t *cpus);
int accept4(int descriptor, struct sockaddr *restrict address, socklen_t *restrict size, int flags);

// The workers' calls without glibc's bookkeeping for pthread_cancel, which is two locked instructions each and never used.
static inline ssize_t edge_read(int descriptor, void *bytes, size_t count) {
    return syscall(SYS_read, descriptor, bytes, count);
}
static inline ssize_t edge_send(int descriptor, const void *bytes, size_t count) {
    return syscall(SYS_sendto, descriptor, bytes, count, MSG_NOSIGNAL, (void *)0, 0);
}
static inline int edge_epoll_wait(int descriptor, struct epoll_event *events, int count, int milliseconds) {
    return (int)syscall(SYS_epoll_pwait, descriptor, events, count, milliseconds, (void *)0, 8);
}

// The thread that calls runs only while no other wants its processor (SCHED_IDLE): whoever wakes there takes it at once.
static inline int edge_run_when_idle(void) {
    struct sched_param none = {0};
    return sched_setscheduler(0, 5, &none);
}

// No program that this process starts has more rights than it.
static inline int edge_forbid_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static inline uint64_t edge_crc32c_8(uint64_t crc, uint64_t bytes) {
    return __builtin_ia32_crc32di(crc, bytes);
}
__attribute__((target("sse4.2"))) static inline uint32_t edge_crc32c_1(uint32_t crc, uint8_t byte) {
    return __builtin_ia32_crc32qi(crc, byte);
}
#elif defined(__aarch64__)
__attribute__((target("crc"))) static inline uint64_t edge_crc32c_8(uint64_t crc, uint64_t bytes) {
    return __builtin_arm_crc32cd((uint32_t)crc, bytes);
}
__attribute__((target("crc"))) static inline uint32_t edge_crc32c_1(uint32_t crc, uint8_t byte) {
    return __builtin_arm_crc32cb(crc, byte);
}
#else
#error "edge needs a processor with a CRC32C instruction: x86-64 with SSE 4.2, or ARMv8 with CRC"
#endif
