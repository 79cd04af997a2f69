import Glibc
import Primitives
import Synchronization
import Testing

/// Links that were acknowledged: where each code leads.
struct Links {
    private(set) var destinations: [String: String] = [:]
    private var made = 0
    private static let atOnce = 64

    var count: Int { destinations.count }

    /// No code is ever given for two links.
    mutating func add(_ code: String, _ destination: String) {
        let before = destinations.updateValue(destination, forKey: code)
        #expect(before == nil || before == destination, "\(code) is both \(destination) and \(before!)")
    }

    mutating func add(_ other: Links) { for (code, destination) in other.destinations { add(code, destination) } }

    mutating func create(_ count: Int, on node: RunningNode, path: String = "") throws {
        let client = try node.connect()
        for start in stride(from: 0, to: count, by: Self.atOnce) {
            let urls = (start..<min(count, start + Self.atOnce)).map {
                "https://example.com/\(node.port)/\(made + $0)\(path)"
            }
            try client.send(urls.map { Client.creation($0, "/api/v1/urls") }.joined())
            for url in urls {
                let answer = try client.read()
                guard answer.status == 201 else { throw HarnessError(answer.text) }
                add(try answer.string("short_code"), url)
            }
        }
        made += count
    }

    /// Every one, or every one whose destination has `part` in it, leads to its destination there.
    func expect(on node: RunningNode, only part: String = "") throws {
        let client = try node.connect()
        let all = destinations.filter { part.isEmpty || $0.value.contains(part) }.map { $0 }
        for start in stride(from: 0, to: all.count, by: Self.atOnce) {
            let some = all[start..<min(all.count, start + Self.atOnce)]
            try client.send(some.map { Client.request("GET", "/\($0.key)") }.joined())
            for (code, destination) in some {
                let answer = try client.read()
                #expect(answer.status == 302 && answer["location"] == destination, "\(code): \(answer.status)")
            }
        }
    }
}

/// Makes links at one node of a cluster, over one life of it after the other, until it is told to stop.
final class LinkLoad: Sendable {
    private struct Outcome {
        var links = Links()
        var surprises: [String] = []
    }

    private let outcome = Mutex(Outcome())
    private let isStopping = Atomic(false)
    private let thread: Mutex<SystemThread?> = Mutex(nil)
    private let perSecond: Int
    private static let atOnce = 16

    init(_ cluster: Cluster, at index: Int, perSecond: Int = 800) {
        self.perSecond = perSecond
        thread.withLock { $0 = SystemThread("link-load") { [self] in run(cluster, index) } }
    }

    /// How many were acknowledged so far.
    var count: Int { outcome.withLock { $0.links.count } }

    /// What was acknowledged. Once.
    func stop() -> Links {
        isStopping.store(true, ordering: .releasing)
        thread.withLock { $0.take() }!.join()
        return outcome.withLock { outcome in
            #expect(outcome.surprises.isEmpty)
            return outcome.links
        }
    }

    private func run(_ cluster: Cluster, _ index: Int) {
        var client: Client?
        var next = 0
        while !isStopping.load(ordering: .acquiring) {
            poll(nil, 0, Int32(1000 * Self.atOnce / perSecond))
            let port = cluster.port(index)
            guard port != 0 else { continue }
            do {
                if client == nil { client = try Client(port: port, of: cluster) }
                try round(client!, (next..<next + Self.atOnce).map { "https://load.example/\(index)/\($0)" })
            } catch {
                // Whether what was under way came about, nobody was told.
                client = nil
            }
            next += Self.atOnce
        }
    }

    private func round(_ client: Client, _ urls: [String]) throws {
        try client.send(urls.map { Client.creation($0, "/api/v1/urls") }.joined())
        for url in urls {
            let answer = try client.read()
            switch answer.status {
            case 201:
                let code = try answer.string("short_code")
                outcome.withLock { $0.links.add(code, url) }
            // A node that ends, or has too much to do, says so.
            case 503: break
            default: outcome.withLock { $0.surprises.append(answer.text) }
            }
        }
    }
}
