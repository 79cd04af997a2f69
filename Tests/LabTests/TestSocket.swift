import Glibc
import Server
import Synchronization

enum MonotonicTime {
    static var milliseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// A value that threads share.
final class Mutexed<Value: Sendable>: Sendable {
    private let storage: Mutex<Value>
    init(_ value: Value) { storage = Mutex(value) }
    var value: Value {
        get { storage.withLock { $0 } }
        set { storage.withLock { $0 = newValue } }
    }
}

/// A TCP socket that waits; for 30 s at the longest, which only a fault reaches.
final class TestSocket: Sendable {
    struct Refused: Error {}

    private let descriptor: Mutexed<Int32>

    init(to address: ListenAddress) throws {
        let own = SocketAddress(address)
        let descriptor = socket(own.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        self.descriptor = Mutexed(descriptor)
        guard own.withPointer({ connect(descriptor, $0, $1) }) == 0 else { throw Refused() }
        prepare()
    }

    fileprivate init(_ descriptor: Int32) {
        self.descriptor = Mutexed(descriptor)
        prepare()
    }

    deinit { close() }

    private func prepare() {
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor.value, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor.value, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// How many bytes the system took before it took none for a while.
    func sendUntilFull(_ bytes: [UInt8]) -> Int {
        var sent = 0
        while true {
            let count = Glibc.send(
                descriptor.value, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            if count > 0 { sent += count }
            var readiness = pollfd(fd: descriptor.value, events: Int16(POLLOUT), revents: 0)
            if count < 0, poll(&readiness, 1, 200) == 0 { return sent }
        }
    }

    /// So many bytes; fewer if the connection ends.
    func receive(_ count: Int) -> [UInt8] {
        var (buffer, bytes) = ([UInt8](repeating: 0, count: 1 << 16), [UInt8]())
        while bytes.count < count {
            let received = recv(descriptor.value, &buffer, min(buffer.count, count - bytes.count), 0)
            guard received > 0 else { break }
            bytes += buffer[..<received]
        }
        return bytes
    }

    var hasInput: Bool {
        var readiness = pollfd(fd: descriptor.value, events: Int16(POLLIN), revents: 0)
        return poll(&readiness, 1, 0) > 0
    }

    /// Waits for the connection's end: whether it broke.
    var isReset: Bool {
        var byte: UInt8 = 0
        while true {
            let count = recv(descriptor.value, &byte, 1, 0)
            if count <= 0 { return count < 0 && errno == ECONNRESET }
        }
    }

    func endSending() { shutdown(descriptor.value, Int32(SHUT_WR)) }

    func close() {
        if descriptor.value >= 0 { Glibc.close(descriptor.value) }
        descriptor.value = -1
    }

    /// Closes it such that the other end sees it break.
    func reset() {
        var off = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor.value, SOL_SOCKET, SO_LINGER, &off, socklen_t(MemoryLayout<linger>.size))
        close()
    }
}

/// Listens on a free port of 127.0.0.1.
final class TestListener: Sendable {
    private let descriptor: Mutexed<Int32>
    let address: ListenAddress

    init() throws {
        let own = SocketAddress(ListenAddress(host: "127.0.0.1", port: 0))
        let descriptor = socket(own.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        self.descriptor = Mutexed(descriptor)
        guard own.withPointer({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, 64) == 0 else {
            throw TestSocket.Refused()
        }
        address = ListenAddress(host: "127.0.0.1", port: SocketAddress.own(descriptor)!.port)
    }

    deinit { close() }

    func accept() throws -> TestSocket {
        var readiness = pollfd(fd: descriptor.value, events: Int16(POLLIN), revents: 0)
        guard poll(&readiness, 1, 30_000) > 0 else { throw TestSocket.Refused() }
        return TestSocket(Glibc.accept(descriptor.value, nil, nil))
    }

    func close() {
        if descriptor.value >= 0 { Glibc.close(descriptor.value) }
        descriptor.value = -1
    }
}
