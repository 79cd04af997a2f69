import CLinux
import Glibc

/// The processors that this program may use, and who runs on which.
enum Processors {
    /// In ascending order.
    static let available: [Int] = {
        var set = cpu_set_t()
        guard sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0 else { return [0] }
        return withUnsafeBytes(of: &set) { bytes in
            (0..<bytes.count * 8).filter { bytes[$0 / 8] & 1 << UInt8($0 % 8) != 0 }
        }
    }()

    /// Where a measured server runs when it is held to one processor, and where the load comes from: not the same one
    /// if there are two.
    static var server: [Int] { [available.first!] }
    static var load: [Int] { [available.last!] }

    /// Runs `body` with the calling thread on `processors`. Threads and processes that it starts stay there.
    static func on<Result>(_ processors: [Int], _ body: () throws -> Result) rethrows -> Result {
        bind(processors)
        defer { bind(available) }
        return try body()
    }

    private static func bind(_ processors: [Int]) {
        var set = cpu_set_t()
        withUnsafeMutableBytes(of: &set) { bytes in
            for processor in processors { bytes[processor / 8] |= 1 << UInt8(processor % 8) }
        }
        let code = sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &set)
        precondition(code == 0, "the system takes back a processor that it gave")
    }
}
