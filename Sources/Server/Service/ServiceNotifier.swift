import CLinux
import Glibc

/// Tells the service manager how the process is, by the protocol of sd_notify(3): datagrams of `NAME=VALUE` lines to the
/// socket that `NOTIFY_SOCKET` names, a path or an abstract name (`@…`). Without the variable nothing is sent.
///
/// Used by the main thread alone.
final class ServiceNotifier {
    enum Message: Equatable {
        case ready(status: String)
        /// Ends with another `ready`.
        case reloading
        case stopping
        case watchdog
        case status(String)
    }

    /// How long between two signs of life the manager waits, in milliseconds; nil: it does not watch.
    let watchdogMilliseconds: Int64?
    private let descriptor: Int32
    private let address: sockaddr_un
    private let addressBytes: socklen_t

    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`. A name that no socket can have is logged, and then
    /// nothing is sent.
    init(_ environment: (String) -> String? = { getenv($0).flatMap { String(validatingCString: $0) } }) {
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        var opened: Int32 = -1
        var length = 0
        if let path = environment("NOTIFY_SOCKET"), !path.isEmpty {
            length = Self.write(path, to: &name)
            if length > 0 { opened = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
            if opened < 0 {
                Log.write(.warning, "notify-failed", ["reason": .string("NOTIFY_SOCKET is no socket: \(path)")])
            }
        }
        // A manager that is stuck must not stop the node for long.
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(opened, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        (descriptor, address) = (opened, name)
        addressBytes = socklen_t(MemoryLayout<sa_family_t>.size + length)
        let isMine = environment("WATCHDOG_PID").map { $0 == String(getpid()) } ?? true
        let microseconds = environment("WATCHDOG_USEC").flatMap { Int64($0) } ?? 0
        watchdogMilliseconds = opened >= 0 && isMine && microseconds > 0 ? max(2, microseconds / 1000) : nil
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The number of bytes that the name takes; 0 if it is none. An abstract one begins with a zero byte.
    private static func write(_ path: String, to name: inout sockaddr_un) -> Int {
        let bytes = Array(path.utf8)
        guard bytes[0] == UInt8(ascii: "/") || bytes[0] == UInt8(ascii: "@") && bytes.count > 1 else { return 0 }
        return withUnsafeMutableBytes(of: &name.sun_path) { target in
            guard bytes.count < target.count else { return 0 }
            target.copyBytes(from: bytes)
            if bytes[0] == UInt8(ascii: "@") { target[0] = 0 }
            return bytes.count
        }
    }

    func send(_ message: Message) {
        guard descriptor >= 0 else { return }
        let text = Self.text(message)
        var address = address
        let sent = withUnsafeBytes(of: &address) { name in
            text.withUnsafeBytes { bytes in
                while true {
                    let count = sendto(
                        descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL),
                        name.baseAddress!.assumingMemoryBound(to: sockaddr.self), addressBytes)
                    if count >= 0 || errno != EINTR { return count }
                }
            }
        }
        if sent < 0 {
            Log.write(.warning, "notify-failed", ["reason": .string(String(cString: strerror(errno)))])
        }
    }

    private static func text(_ message: Message) -> [UInt8] {
        let lines: [String] =
            switch message {
            case .ready(let status): ["READY=1", "STATUS=\(status)"]
            case .reloading: ["RELOADING=1", "MONOTONIC_USEC=\(System.monotonicMicroseconds())", "STATUS=reloading"]
            case .stopping: ["STOPPING=1", "STATUS=draining"]
            case .watchdog: ["WATCHDOG=1"]
            case .status(let status): ["STATUS=\(status)"]
            }
        return Array(lines.joined(separator: "\n").utf8)
    }
}
