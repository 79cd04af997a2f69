import Foundation
import Glibc
import Links
import Primitives
import Store
import Synchronization

@testable import Server

/// A service with the interface of Safe Browsing v4, as far as it is asked: answers as the test wants, and remembers the
/// questions.
///
/// Safety: what threads share is behind a mutex.
final class LookupStandIn: @unchecked Sendable {
    struct Question {
        let target: String
        let body: [UInt8]
        /// In the order of the question.
        let prefixes: [UInt32]
    }

    enum Reply {
        case body(String)
        /// A body of so many.
        case blanks(Int)
        case status(Int, retryAfter: Int? = nil)
        /// As they are.
        case bytes(String)
        case silence
        /// A byte at a time, until the client goes.
        case drip
    }

    private struct State {
        var questions: [Question] = []
        var descriptors: [Int32] = []
        var reply: @Sendable (Question, Int) -> Reply
    }

    let port: UInt16
    private let listener: Int32
    private let state: Mutex<State>
    private let threads: Mutex<[SystemThread]> = Mutex([])

    init(_ reply: @escaping @Sendable (_ question: Question, _ index: Int) -> Reply = { _, _ in .body("{}") }) throws {
        state = Mutex(State(reply: reply))
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        self.listener = listener
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isThere = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, size) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, address, &size) == 0
            }
        }
        guard isThere else { throw HarnessError("no listener: \(String(cString: strerror(errno)))") }
        port = UInt16(bigEndian: address.sin_port)
        let accepting = SystemThread("lookup-stand-in") { [self] in accept() }
        threads.withLock { $0.append(accepting) }
    }

    var url: LookupServiceURL { LookupServiceURL("http://127.0.0.1:\(port)/v4/fullHashes:find")! }
    var questions: [Question] { state.withLock { $0.questions } }

    func answer(_ reply: @escaping @Sendable (_ question: Question, _ index: Int) -> Reply) {
        state.withLock { $0.reply = reply }
    }

    /// Closes all there is. Once, before the last reference goes.
    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        while let thread = threads.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
            for descriptor in state.withLock({ $0.descriptors }) { shutdown(descriptor, Int32(SHUT_RDWR)) }
            thread.join()
        }
        close(listener)
    }

    private func accept() {
        while case let descriptor = Glibc.accept(listener, nil, nil), descriptor >= 0 {
            state.withLock { $0.descriptors.append(descriptor) }
            let serving = SystemThread("lookup-stand-in") { [self] in
                serve(descriptor)
                state.withLock { $0.descriptors.removeAll { $0 == descriptor } }
                close(descriptor)
            }
            threads.withLock { $0.append(serving) }
        }
    }

    private func serve(_ descriptor: Int32) {
        guard let question = read(descriptor) else { return }
        let (reply, index) = state.withLock { state in
            state.questions.append(question)
            return (state.reply, state.questions.count - 1)
        }
        switch reply(question, index) {
        case .body(let body): say(body: body, descriptor)
        case .blanks(let count): say(body: String(repeating: " ", count: count), descriptor)
        case .status(let status, let seconds):
            let field = seconds.map { "Retry-After: \($0)\r\n" } ?? ""
            say("HTTP/1.1 \(status) Said\r\n\(field)Content-Length: 2\r\n\r\n{}", descriptor)
        case .bytes(let text): say(text, descriptor)
        case .silence: wait(descriptor)
        case .drip:
            say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", descriptor)
            var readiness = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            while poll(&readiness, 1, 5) == 0, say(" ", descriptor) {}
        }
    }

    /// Until the other side goes.
    private func wait(_ descriptor: Int32) {
        var byte: UInt8 = 0
        while recv(descriptor, &byte, 1, 0) > 0 {}
    }

    private func read(_ descriptor: Int32) -> Question? {
        var buffer: [UInt8] = []
        while true {
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let count = recv(descriptor, &bytes, bytes.count, 0)
            guard count > 0 else { return nil }
            buffer += bytes[..<count]
            guard let end = Answer.headEnd(buffer[...]) else { continue }
            let head = String(decoding: buffer[..<end], as: UTF8.self)
            guard let length = head.firstMatch(of: /Content-Length: (\d+)/).flatMap({ Int($0.1) }) else { return nil }
            if buffer.count < end + length { continue }
            let body = Array(buffer[end..<end + length])
            guard case .object(let members)? = try? JSONValue(body), case .object(let info)? = members["threatInfo"],
                case .array(let entries)? = info["threatEntries"]
            else { return nil }
            let prefixes = entries.compactMap { entry -> UInt32? in
                guard case .object(let entry) = entry, case .string(let text)? = entry["hash"],
                    let bytes = Data(base64Encoded: text), bytes.count == 4
                else { return nil }
                return bytes.reduce(0) { $0 << 8 | UInt32($1) }
            }
            return Question(
                target: String(head.split(separator: " ")[1]), body: body, prefixes: prefixes)
        }
    }

    private func say(body: String, _ descriptor: Int32) {
        say(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                + body, descriptor)
    }

    @discardableResult
    private func say(_ text: String, _ descriptor: Int32) -> Bool {
        let bytes = Array(text.utf8)
        return send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }
}

extension LookupStandIn.Reply {
    /// The answer that these expressions, of those that are asked for, are dangerous.
    static func matches(
        _ expressions: [String], cache: String = "300s", negative: String = "300s", wait: String? = nil,
        to question: LookupStandIn.Question
    ) -> LookupStandIn.Reply {
        let asked = Set(question.prefixes)
        let hashes = expressions.map { SHA256Hasher().hash(Array($0.utf8)) }
        let matches = hashes.filter { asked.contains(LookupCache.prefix($0)) }.map {
            #"{"threatType":"MALWARE","platformType":"ANY_PLATFORM","threatEntryType":"URL","threat":{"hash":""#
                + Data($0).base64EncodedString() + #""},"cacheDuration":"\#(cache)"}"#
        }
        return .body(
            #"{"matches":["# + matches.joined(separator: ",") + #"],"negativeCacheDuration":"\#(negative)""#
                + (wait.map { #","minimumWaitDuration":"\#($0)""# } ?? "") + "}")
    }
}

extension LookupService {
    /// Of links that lead there.
    func judge(_ destinations: [[UInt8]]) throws(JudgeUnavailable) -> [Verdict?] {
        let links = destinations.map { JudgedLink(key: .alias(Array("name".utf8)), destination: $0) }
        return try judge(links)
    }
}
