import CLinux
import Glibc

/// The least that a redirect can cost on this kernel: one thread, epoll, looks only for the end of each request's head
/// and writes one fixed 302. It parses nothing, looks nothing up, counts nothing.
enum RedirectFloor {
    /// The command of this program that runs it.
    static let command = "floor"

    private static let answer = Array(
        ("HTTP/1.1 302 Found\r\n"
            + "Location: https://example.com/very/long/path/that/is/typical?utm_source=x&id=1234567\r\n"
            + "Content-Length: 0\r\nCache-Control: private, max-age=0\r\n"
            + "Date: Fri, 20 Nov 2026 00:00:00 GMT\r\n\r\n").utf8)

    /// Starts it as a process of its own.
    static func start(on processors: [Int]) throws -> (process: ChildProcess, port: UInt16) {
        let process = try ChildProcess([siblingProgram("lab"), command], reading: .standardOutput, on: processors)
        guard let port = UInt16(try process.readLine(with: "")) else { throw LabError("the floor has no port") }
        return (process, port)
    }

    /// Serves until it is ended; prints its port first.
    static func serve() -> Int32 {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var address = loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, size) | listen(listener, 4096) | getsockname(listener, address, &size)
            }
        }
        guard code == 0 else { return 1 }
        print(UInt16(bigEndian: address.sin_port))
        fflush(nil)
        let poll = epoll_create1(0)
        wait(for: listener, poll)
        let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: 512)
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        while true {
            let count = epoll_wait(poll, events.baseAddress, Int32(events.count), -1)
            for event in events[..<max(0, Int(count))] {
                if event.data.fd == listener { accept(listener, poll) } else { answer(event.data.fd, input, output) }
            }
        }
    }

    private static func wait(for descriptor: Int32, _ poll: Int32) {
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: descriptor))
        epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event)
    }

    private static func accept(_ listener: Int32, _ poll: Int32) {
        while case let client = accept4(listener, nil, nil, Int32(SOCK_NONBLOCK.rawValue)), client >= 0 {
            var one: Int32 = 1
            setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
            wait(for: client, poll)
        }
    }

    private static func answer(
        _ client: Int32, _ input: UnsafeMutableRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) {
        let count = read(client, input.baseAddress, input.count)
        guard count > 0 else {
            if count == 0 || errno != EAGAIN { close(client) }
            return
        }
        var used = 0
        var place = input.baseAddress!
        let end = place + count
        answer.withUnsafeBytes { answer in
            while let found = memmem(place, end - place, "\r\n\r\n", 4) {
                memcpy(output.baseAddress! + used, answer.baseAddress!, answer.count)
                used += answer.count
                place = found + 4
            }
        }
        if used > 0, write(client, output.baseAddress, used) < 0 { close(client) }
    }
}
