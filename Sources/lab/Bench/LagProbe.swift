import CLinux
import Glibc
import Primitives
import Synchronization

/// Looks for links at one node until they are there, and notes how long that took since they were acknowledged elsewhere.
final class LagProbe: Sendable {
    private struct Wanted: Sendable {
        let request: [UInt8]
        let since: UInt64
    }

    private struct Results {
        var lag = LatencyHistogram()
        var failure: String?
    }

    private let wanted = Mutex<[Wanted]>([])
    private let isFinishing = Atomic(false)
    private let results = Mutex(Results())
    private let thread = Mutex<SystemThread?>(nil)
    private static let patience: UInt64 = 30_000_000_000

    init(_ port: UInt16) throws {
        let descriptor = try connectToLoopback(port)
        thread.withLock { $0 = SystemThread("lag-probe") { [self] in run(descriptor) } }
    }

    /// From any thread. `since`: when the link was acknowledged.
    func look(for code: some Sequence<UInt8>, since: UInt64) {
        let request = Array("GET /".utf8) + code + Array(" HTTP/1.1\r\nHost: lab\r\n\r\n".utf8)
        wanted.withLock { $0.append(Wanted(request: request, since: since)) }
    }

    /// Once all is found that was looked for.
    func finish() throws -> LatencyHistogram {
        isFinishing.store(true, ordering: .releasing)
        thread.withLock { $0.take() }?.join()
        let results = results.withLock { $0 }
        if let failure = results.failure { throw LabError(failure) }
        return results.lag
    }

    /// Who is missing is asked for every half millisecond, all at once.
    private func run(_ descriptor: Int32) {
        defer { close(descriptor) }
        var missing: [Wanted] = []
        var answers = AnswerReader(descriptor)
        while true {
            let isLast = isFinishing.load(ordering: .acquiring)
            missing += wanted.withLock { list in
                defer { list = [] }
                return list
            }
            if isLast, missing.isEmpty { return }
            if !missing.isEmpty {
                let asked = missing.prefix(64)
                let requests = asked.flatMap(\.request)
                guard send(descriptor, requests, requests.count, Int32(MSG_NOSIGNAL)) == requests.count else {
                    return fail("a node takes no requests")
                }
                var rest: [Wanted] = []
                for link in asked {
                    guard let status = answers.next(nil) else { return fail("a node gives no answers") }
                    let age = MonotonicClock.nanoseconds - link.since
                    if status == 302 {
                        results.withLock { $0.lag.add(age) }
                    } else if age > Self.patience {
                        return fail("a link does not come")
                    } else {
                        rest.append(link)
                    }
                }
                missing = rest + missing.dropFirst(asked.count)
            }
            usleep(500)
        }
    }

    private func fail(_ text: String) { results.withLock { $0.failure = text } }
}

/// Makes links at one node at a steady rate, and has some of them looked for at another.
final class LagWriter: Sendable {
    struct Outcome {
        var created = 0
        var failures = 0
        var nanoseconds: UInt64 = 0
    }

    private let outcome = Mutex(Outcome())
    private let thread = Mutex<SystemThread?>(nil)
    /// Parts of a second in which what is due is sent together.
    private static let turns = 100
    /// One of so many links is looked for.
    private static let sampled = 20
    /// Creates of one connection are made one after the other.
    private static let connections = 8

    init(_ port: UInt16, region: Int, perSecond: Int, seconds: Double, probe: LagProbe) throws {
        let descriptors = try (0..<Self.connections).map { _ in try connectToLoopback(port) }
        thread.withLock {
            $0 = SystemThread("lag-writer") { [self] in
                run(descriptors, region, perSecond, seconds, probe)
                for descriptor in descriptors { close(descriptor) }
            }
        }
    }

    func wait() -> Outcome {
        thread.withLock { $0.take() }?.join()
        return outcome.withLock { $0 }
    }

    private func run(_ descriptors: [Int32], _ region: Int, _ perSecond: Int, _ seconds: Double, _ probe: LagProbe) {
        var answers = descriptors.map(AnswerReader.init)
        let start = MonotonicClock.nanoseconds
        defer { outcome.withLock { $0.nanoseconds = MonotonicClock.nanoseconds - start } }
        var sent = 0
        for turn in 1...max(1, Int(seconds * Double(Self.turns))) {
            let due = perSecond * turn / Self.turns
            for (index, descriptor) in descriptors.enumerated() {
                let places = (sent..<due).filter { $0 % descriptors.count == index }
                let requests = places.flatMap { Self.request(region, $0) }
                if !requests.isEmpty, send(descriptor, requests, requests.count, Int32(MSG_NOSIGNAL)) != requests.count
                {
                    return
                }
            }
            for place in sent..<due {
                var code: [UInt8] = []
                guard let status = answers[place % answers.count].next({ code = $0 }) else { return }
                if status == 201, place % Self.sampled == 0 {
                    probe.look(for: code, since: MonotonicClock.nanoseconds)
                }
                outcome.withLock {
                    if status == 201 { $0.created += 1 } else { $0.failures += 1 }
                }
            }
            sent = due
            let next = start + UInt64(turn) * 1_000_000_000 / UInt64(Self.turns)
            let now = MonotonicClock.nanoseconds
            if next > now { usleep(UInt32((next - now) / 1000)) }
        }
    }

    private static func request(_ region: Int, _ place: Int) -> [UInt8] {
        let body = #"{"long_url":"https://example.com/some/longer/path/\#(region)/\#(place)"}"#
        return Array(
            ("POST /shorten HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n" + body).utf8)
    }
}

/// Takes answers from a blocking connection, one after the other.
private struct AnswerReader {
    private let descriptor: Int32
    private var bytes: [UInt8] = []
    private var start = 0

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// The status of the next answer; nil at the end of the connection. `code`: is given what stands behind the last slash
    /// of the body, which is `{"short_url":"http://HOST/CODE"}`.
    mutating func next(_ code: (([UInt8]) -> Void)?) -> Int? {
        while true {
            let found = bytes.withUnsafeBytes {
                ResponseScanner.first(of: UnsafeRawBufferPointer(rebasing: $0[start...]))
            }
            if let found {
                if let code, found.status == 201 {
                    let answer = bytes[start..<start + found.byteCount]
                    let end = answer.lastIndex(of: UInt8(ascii: "\"")) ?? answer.endIndex
                    code(Array(answer[..<end].split(separator: UInt8(ascii: "/")).last ?? []))
                }
                start += found.byteCount
                if start == bytes.count { (bytes, start) = ([], 0) }
                return found.status
            }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count <= 0 { return nil }
            bytes += chunk[..<count]
        }
    }
}
