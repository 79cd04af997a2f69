import CLinux
import Glibc
import Primitives
import Synchronization

/// One client after the other: makes a link in one region, and asks for it in another at once.
final class AnywhereProbe: Sendable {
    enum Kind: String {
        case snowflakes = "Snowflakes"
        case generated = "generated codes"
        case aliases
    }

    struct Outcome: Sendable {
        var links = 0
        /// Redirects to somewhere else, and answers that are no redirect.
        var wrong = 0
        var missing = 0
        /// Of the requests in the other region, by what `X-Served-By` says; the latency of all.
        var remote = 0
        var latency = LatencyHistogram()
        var codeBytes = 0

        mutating func add(_ other: Outcome) {
            links += other.links
            wrong += other.wrong
            missing += other.missing
            remote += other.remote
            latency.add(other.latency)
            codeBytes = max(codeBytes, other.codeBytes)
        }
    }

    private let outcome = Mutex<Result<Outcome, LabError>>(.success(Outcome()))
    private let thread = Mutex<SystemThread?>(nil)

    init(
        _ kind: Kind, from here: UInt16, to there: UInt16, number: Int, carriesToken: Bool, seconds: Double
    ) throws {
        let clients = (try ProbeClient(here), try ProbeClient(there))
        thread.withLock {
            $0 = SystemThread("anywhere-probe") { [self] in
                do throws(LabError) {
                    let all = try Self.run(kind, clients, number, carriesToken, seconds)
                    outcome.withLock { $0 = .success(all) }
                } catch {
                    outcome.withLock { $0 = .failure(error) }
                }
            }
        }
    }

    func wait() throws -> Outcome {
        thread.withLock { $0.take() }?.join()
        return try outcome.withLock { $0 }.get()
    }

    private static func run(
        _ kind: Kind, _ clients: (here: ProbeClient, there: ProbeClient), _ number: Int, _ carriesToken: Bool,
        _ seconds: Double
    ) throws(LabError) -> Outcome {
        var outcome = Outcome()
        let end = MonotonicClock.nanoseconds + UInt64(seconds * 1e9)
        while MonotonicClock.nanoseconds < end {
            let destination = "https://example.com/anywhere/\(number)/\(outcome.links)"
            let name = "any-\(carriesToken ? "with" : "without")-\(number)-\(outcome.links)"
            let alias = kind == .aliases ? #","custom_alias":"\#(name)""# : ""
            let body = #"{"long_url":"\#(destination)"\#(alias)}"#
            let made = try clients.here.ask(
                "POST /shorten HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n" + body)
            guard made.status == 201, let url = made["Location"], let code = url.split(separator: "/").last,
                let token = made["Edge-Token"]
            else { throw LabError("no link was made: \(made.status)") }
            let start = MonotonicClock.nanoseconds
            let answer = try clients.there.ask(
                "GET /\(code) HTTP/1.1\r\nHost: lab\r\n" + (carriesToken ? "Edge-Token: \(token)\r\n" : "") + "\r\n")
            outcome.latency.add(MonotonicClock.nanoseconds - start)
            outcome.links += 1
            outcome.codeBytes = max(outcome.codeBytes, code.utf8.count)
            if answer.status != 302 {
                outcome.missing += 1
            } else if answer["Location"] != destination {
                outcome.wrong += 1
            }
            if answer["X-Served-By"] == "origin" { outcome.remote += 1 }
        }
        return outcome
    }
}

/// One blocking connection, and what came of each request on it.
final class ProbeClient: @unchecked Sendable {
    struct Answer {
        let status: Int
        private let lines: [Substring]

        init(_ status: Int, _ head: String) {
            self.status = status
            lines = head.split(separator: "\r\n")
        }

        subscript(_ name: String) -> String? {
            lines.first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.utf8.count + 2)) }
        }
    }

    private let descriptor: Int32
    private var bytes: [UInt8] = []

    init(_ port: UInt16) throws { descriptor = try connectToLoopback(port) }

    deinit { close(descriptor) }

    func ask(_ request: String) throws(LabError) -> Answer {
        let text = Array(request.utf8)
        guard send(descriptor, text, text.count, Int32(MSG_NOSIGNAL)) == text.count else {
            throw LabError("a node takes no requests")
        }
        while true {
            if let found = bytes.withUnsafeBytes({ ResponseScanner.first(of: $0) }) {
                let head = String(decoding: bytes[..<found.byteCount], as: UTF8.self)
                bytes.removeFirst(found.byteCount)
                return Answer(found.status, head)
            }
            var chunk = [UInt8](repeating: 0, count: 1 << 14)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { throw LabError("a node gives no answers") }
            bytes += chunk[..<count]
        }
    }
}
