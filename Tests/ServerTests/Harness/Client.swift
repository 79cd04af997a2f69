import Foundation
import Glibc
import Testing

/// One connection to a node: sends whatever bytes it is given, and reads answers as strictly as it can.
///
/// Safety: used by one thread at a time.
final class Client: @unchecked Sendable {
    let descriptor: Int32
    /// Lives at least as long as its clients.
    private let node: AnyObject
    private let isPublic: Bool
    private var buffer: [UInt8] = []
    /// What of the buffer has been read.
    private var offset = 0
    /// Where the next bytes come to.
    private var chunk = [UInt8](repeating: 0, count: 16_384)

    /// `receiveBytes`: of the receive buffer, for a client that shall not take much.
    convenience init(of node: RunningNode, port: UInt16? = nil, receiveBytes: Int32? = nil) throws {
        try self.init(port: port ?? node.port, of: node, receiveBytes: receiveBytes)
    }

    init(port: UInt16, of node: AnyObject, receiveBytes: Int32? = nil) throws {
        self.node = node
        isPublic = (node as? RunningNode)?.port == port
        DescriptorLimit.set()
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw HarnessError("no socket: \(String(cString: strerror(errno)))") }
        if var receiveBytes {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw HarnessError("no connection: \(String(cString: strerror(errno)))") }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    deinit { close(descriptor) }

    // MARK: Sending

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        let deadline = Deadline()
        var sent = 0
        while sent < bytes.count {
            sent += try sendSome(bytes[sent...])
            if sent < bytes.count, !deadline.wait(descriptor, for: POLLOUT) {
                throw HarnessError("the node took \(sent) of \(bytes.count) bytes")
            }
        }
    }

    /// What the connection takes at once; 0 if that is nothing.
    func sendSome(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let count = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if count >= 0 { return count }
        guard errno == EAGAIN || errno == EINTR else { throw HarnessError(String(cString: strerror(errno))) }
        return 0
    }

    /// Says that nothing more will be sent; answers can still come.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    // MARK: Receiving

    /// The next answer. `isHead`: to a HEAD request, so no body follows.
    func read(isHead: Bool = false) throws -> Answer {
        let deadline = Deadline()
        while true {
            if let (answer, count) = try Answer.parse(buffer[offset...], isHead: isHead) {
                offset += count
                if offset == buffer.count || offset > 1 << 20 {
                    buffer.removeSubrange(..<offset)
                    offset = 0
                }
                return answer
            }
            guard try receive(deadline) else {
                throw HarnessError("the connection ended after \(buffer.count - offset) bytes of an answer")
            }
        }
    }

    /// The next answer, to this request. On the public port it has to be as the description says.
    func read(to method: String, _ target: String) throws -> Answer {
        let answer = try read(isHead: method == "HEAD")
        if isPublic {
            for fault in Described.usual.faults(answer, method, target) { Issue.record("\(fault)") }
        }
        return answer
    }

    /// Reads answers until the node closes the connection, however it does.
    func readToEnd() throws -> [Answer] {
        var answers: [Answer] = []
        let deadline = Deadline()
        while true {
            while let (answer, count) = try Answer.parse(buffer[offset...], isHead: false) {
                offset += count
                answers.append(answer)
            }
            guard try receive(deadline) else { return answers }
        }
    }

    /// Whether the node closes the connection and sends nothing before.
    func endsHere() throws -> Bool {
        if offset < buffer.count { return false }
        return try !receive(Deadline())
    }

    /// Whether something has come, or comes within the time.
    func hasInput(withinMilliseconds timeout: Int32) -> Bool {
        if offset < buffer.count { return true }
        var readiness = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&readiness, 1, timeout) > 0
    }

    /// False at the end of the connection.
    private func receive(_ deadline: Deadline) throws -> Bool {
        while true {
            let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress!, $0.count, 0) }
            if count > 0 {
                buffer += chunk[..<count]
                return true
            }
            if count == 0 || errno == ECONNRESET || errno == EPIPE { return false }
            guard errno == EAGAIN || errno == EINTR else { throw HarnessError(String(cString: strerror(errno))) }
            guard deadline.wait(descriptor, for: POLLIN) else { throw HarnessError("no answer came") }
        }
    }

    // MARK: Requests

    @discardableResult
    func get(_ target: String, method: String = "GET") throws -> Answer {
        try send(Self.request(method, target))
        return try read(to: method, target)
    }

    @discardableResult
    func post(_ target: String, json: String) throws -> Answer { try post(target, Array(json.utf8)) }

    @discardableResult
    func post(_ target: String, _ body: [UInt8], type: String? = "application/json") throws -> Answer {
        let fields = type.map { "Content-Type: \($0)\r\n" } ?? ""
        try send(Array(Self.request("POST", target, fields + "Content-Length: \(body.count)\r\n").utf8) + body)
        return try read(to: "POST", target)
    }

    /// The code of a new link to `url`.
    func create(_ url: String, _ members: String = "") throws -> String {
        let answer = try post("/api/v1/urls", json: #"{"long_url":"\#(url)"\#(members)}"#)
        guard answer.status == 201 else { throw HarnessError(answer.text) }
        return try answer.string("short_code")
    }

    static func request(_ method: String, _ target: String, _ fields: String = "") -> String {
        "\(method) \(target) HTTP/1.1\r\nHost: test\r\n\(fields)\r\n"
    }

    static func creation(_ url: String, _ target: String = "/shorten", _ fields: String = "") -> String {
        let body = #"{"long_url":"\#(url)"}"#
        return request(
            "POST", target, fields + "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n")
            + body
    }
}
