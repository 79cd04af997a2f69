import Glibc

/// The least that durability can cost on this disk: one thread appends a block to a file and syncs it, again and again.
enum SyncFloor {
    /// Times a second, measured for `seconds` with a new file in `directory`.
    static func syncsASecond(in directory: String, blockBytes: Int = 4096, seconds: Double) throws -> Double {
        let path = directory + "/sync-floor"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw LabError("\(path): \(String(cString: strerror(errno)))") }
        defer {
            close(descriptor)
            unlink(path)
        }
        let block = [UInt8](repeating: 0x65, count: blockBytes)
        let start = MonotonicClock.nanoseconds
        var now = start
        var count = 0
        while Double(now - start) < seconds * 1e9 {
            guard write(descriptor, block, block.count) == block.count, fdatasync(descriptor) == 0 else {
                throw LabError("\(path): \(String(cString: strerror(errno)))")
            }
            count += 1
            now = MonotonicClock.nanoseconds
        }
        return Double(count) / (Double(now - start) / 1e9)
    }
}
