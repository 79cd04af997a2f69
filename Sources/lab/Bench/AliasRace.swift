import CLinux
import Glibc
import Primitives
import Server
import Synchronization

/// Many names, each claimed from all regions at about the same time, while lines lose and hold back what they carry and
/// one node after another is killed. A claim has an id of its own and is repeated until it is known what became of it.
///
/// Safety: the cluster belongs to who calls `run`; what threads share is atomic or behind a mutex.
final class AliasRace: @unchecked Sendable {
    struct Outcome {
        var (oneWinner, several, none) = (0, 0, 0)
        /// Names that some node leads elsewhere than their winner wanted, or nowhere.
        var wrong = 0
        var (repeated, kills, losses) = (0, 0, 0)
        var seconds = 0.0
    }

    /// Claims under way at once in one region.
    private static let racers = 32
    /// Between two blows of fate, in microseconds; and how long a line loses, or holds, what it carries.
    private static let pause: UInt32 = 700_000
    private static let blow: UInt32 = 300_000

    private let cluster: RegionCluster
    private let names: Int
    /// By region: where its node listens; 0 while it is away.
    private let ports: Mutex<[UInt16]>
    /// By name: a bit for each region that was told that it has won.
    private let winners: Mutex<[UInt8]>
    private let repeated = Atomic(0)
    private let racing: Atomic<Int>
    private let isStuck = Atomic(false)

    init(_ cluster: RegionCluster, names: Int) {
        (self.cluster, self.names) = (cluster, names)
        ports = Mutex(cluster.regions.indices.map { cluster.node($0).port })
        winners = Mutex(Array(repeating: 0, count: names))
        racing = Atomic(cluster.regions.count * Self.racers)
    }

    static func destination(_ number: Int, _ region: Int) -> String { "https://example.com/\(number)/\(region)" }

    func run() throws -> Outcome {
        let start = MonotonicClock.nanoseconds
        let threads = cluster.regions.indices.flatMap { region in
            (0..<Self.racers).map { racer in SystemThread("race") { [self] in race(region, racer) } }
        }
        var outcome = Outcome()
        while racing.load(ordering: .relaxed) > 0 { try strike(&outcome) }
        for thread in threads { thread.join() }
        guard !isStuck.load(ordering: .relaxed) else { throw LabError("a claim came to no end") }
        outcome.seconds = Double(MonotonicClock.nanoseconds - start) / 1e9
        outcome.repeated = repeated.load(ordering: .relaxed)
        try cluster.waitLevel()
        try judge(&outcome)
        return outcome
    }

    // MARK: Fate

    private func strike(_ outcome: inout Outcome) throws {
        let victim = (outcome.kills + outcome.losses) % cluster.regions.count
        usleep(Self.pause)
        if outcome.losses <= outcome.kills {
            outcome.losses += 1
            for isLost in [true, false] {
                cluster.setLines(of: victim) { $0.passage = .held }
                usleep(Self.blow)
                // A stream loses nothing but with its connection.
                if isLost { cluster.resetLines(of: victim) }
                cluster.setLines(of: victim) { $0.passage = .open }
            }
        } else {
            outcome.kills += 1
            ports.withLock { $0[victim] = 0 }
            cluster.kill(victim)
            usleep(Self.blow)
            try cluster.start(victim)
            ports.withLock { $0[victim] = cluster.node(victim).port }
        }
    }

    // MARK: Claims

    /// Each region takes the names in the same order, so that they are raced for.
    private func race(_ region: Int, _ racer: Int) {
        defer { racing.subtract(1, ordering: .relaxed) }
        var client: AliasClient?
        for number in stride(from: racer, to: names, by: Self.racers) {
            guard let hasWon = settle(number, region, &client) else {
                return isStuck.store(true, ordering: .relaxed)
            }
            if hasWon { winners.withLock { $0[number] |= 1 << region } }
        }
    }

    /// Nil if that is not known after a minute.
    private func settle(_ number: Int, _ region: Int, _ client: inout AliasClient?) -> Bool? {
        // 128 bits in hexadecimal.
        let id = String(repeating: "\(region + 1)", count: 16) + "\(1_000_000_000_000_000 + number)"
        let end = MonotonicClock.nanoseconds + 60_000_000_000
        while MonotonicClock.nanoseconds < end {
            let port = ports.withLock { $0[region] }
            if client == nil, port != 0 { client = try? AliasClient(port) }
            switch try? client?.claim("raced-\(number)", Self.destination(number, region), id: id) {
            case 201: return true
            case 409: return false
            case nil: client = nil
            default: break
            }
            repeated.add(1, ordering: .relaxed)
            usleep(20_000)
        }
        return nil
    }

    // MARK: Judgement

    private func judge(_ outcome: inout Outcome) throws {
        let winners = winners.withLock { $0 }
        outcome.oneWinner = winners.count { $0.nonzeroBitCount == 1 }
        outcome.several = winners.count { $0.nonzeroBitCount > 1 }
        outcome.none = winners.count { $0 == 0 }
        let clients = try cluster.regions.indices.map { try AliasClient(cluster.node($0).port) }
        for (number, bits) in winners.enumerated() where bits.nonzeroBitCount == 1 {
            let wanted = Self.destination(number, bits.trailingZeroBitCount)
            if try clients.contains(where: { try $0.destination(of: "raced-\(number)") != wanted }) {
                outcome.wrong += 1
            }
        }
    }
}

/// One connection that claims one alias after another.
///
/// Safety: used by one thread.
final class AliasClient {
    private let descriptor: Int32
    private var answer = [UInt8](repeating: 0, count: 16_384)

    init(_ port: UInt16) throws { descriptor = try connectToLoopback(port) }
    deinit { close(descriptor) }

    /// The status of the answer.
    func claim(_ name: String, _ url: String, id: String? = nil) throws -> Int {
        let claim = id.map { #","claim_id":"\#($0)""# } ?? ""
        let body = #"{"long_url":"\#(url)","custom_alias":"\#(name)"\#(claim)}"#
        return try ask(
            "POST /api/v1/urls HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n" + body
        ).status
    }

    /// Nil if there is none.
    func destination(of name: String) throws -> String? {
        let found = try ask("GET /\(name) HTTP/1.1\r\nHost: a\r\n\r\n")
        let text = String(decoding: answer[..<found.byteCount], as: UTF8.self)
        let line = text.split(separator: "\r\n").first { $0.hasPrefix("Location: ") }
        return line.map { String($0.dropFirst("Location: ".count)) }
    }

    private func ask(_ text: String) throws -> ResponseScanner.Found {
        let request = Array(text.utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw LabError("a node does not listen")
        }
        var count = 0
        while true {
            let read = answer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + count, $0.count - count, 0) }
            guard read > 0 else { throw LabError("a node does not answer") }
            count += read
            if let found = answer.withUnsafeBytes({ ResponseScanner.first(of: .init(rebasing: $0[..<count])) }) {
                return found
            }
        }
    }
}
