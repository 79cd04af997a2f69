import Glibc

/// Where runs put files that need not be durable, of which they sync some thousand times.
package enum ScratchPlace {
    private static let memory = "/dev/shm"
    private static let leastFreeBytes = 1 << 30

    /// A directory in memory, if the system has one with room: in a container it often has 64 MiB. Else `TMPDIR` or /tmp.
    package static var path: String {
        var status = statvfs()
        if access(memory, W_OK) == 0, statvfs(memory, &status) == 0,
            Int(status.f_bavail) * Int(status.f_frsize) >= leastFreeBytes
        {
            return memory
        }
        return getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    }
}
