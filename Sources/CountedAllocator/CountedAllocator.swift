import Glibc

/// The C library's allocator with a count of the calls of one thread. In a program that this module is linked into, these
/// definitions take the place of the library's own; `__libc_…` are glibc's names for the same functions.
package enum CountedAllocator {
    /// From here on the calling thread's calls are counted, and no other's. May be called in a signal's handler.
    package static func watchThisThread() {
        watchedCalls = 0
        watchedThread = pthread_self()
    }

    /// Calls of the watched thread since then; nobody's are counted any more. May be called in a signal's handler.
    package static func stop() -> Int {
        watchedThread = 0
        return watchedCalls
    }
}

private nonisolated(unsafe) var watchedThread: pthread_t = 0
private nonisolated(unsafe) var watchedCalls = 0

@_silgen_name("__libc_malloc") private func libcMalloc(_ size: Int) -> UnsafeMutableRawPointer?
@_silgen_name("__libc_calloc") private func libcCalloc(_ count: Int, _ size: Int) -> UnsafeMutableRawPointer?
@_silgen_name("__libc_realloc")
private func libcRealloc(_ old: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer?
@_silgen_name("__libc_memalign") private func libcMemalign(_ alignment: Int, _ size: Int) -> UnsafeMutableRawPointer?

private func note() { if pthread_self() == watchedThread { watchedCalls += 1 } }

@_cdecl("counted_malloc") func countedMalloc(_ size: Int) -> UnsafeMutableRawPointer? {
    note()
    return libcMalloc(size)
}

@_cdecl("counted_calloc") func countedCalloc(_ count: Int, _ size: Int) -> UnsafeMutableRawPointer? {
    note()
    return libcCalloc(count, size)
}

@_cdecl("counted_realloc") func countedRealloc(_ old: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer?
{
    note()
    return libcRealloc(old, size)
}

@_cdecl("counted_aligned_alloc") func countedAlignedAlloc(_ alignment: Int, _ size: Int) -> UnsafeMutableRawPointer? {
    note()
    return libcMemalign(alignment, size)
}

@_cdecl("counted_posix_memalign")
func countedPosixMemalign(
    _ result: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ alignment: Int, _ size: Int
) -> Int32 {
    note()
    result.pointee = libcMemalign(alignment, size)
    return result.pointee == nil ? ENOMEM : 0
}
