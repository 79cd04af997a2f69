import CLinux
import Glibc
import Server

/// Whether the thousandth page of an owner's links costs what the first one does.
struct ListBench {
    static let options: Set<String> = ["links", "owners", "urls", "seed"]
    /// Which page stands beside the first.
    private static let farPage = 1000
    /// Whose lists are asked for, at most.
    private static let askedOwners = 20

    private let rounds: Rounds
    private let links, owners: Int
    private let destinations: Destinations

    init(_ options: Options) throws {
        try self.init(
            try Rounds(options), links: try options.whole("links", BuiltStore.sizes) ?? 1_000_000,
            owners: try options.whole("owners", 1...1_000_000) ?? 100, try BuiltStore.destinations(options))
    }

    init(_ rounds: Rounds, links: Int, owners: Int, _ destinations: Destinations = Destinations(seed: 1)) throws {
        (self.rounds, self.links, self.owners, self.destinations) = (rounds, links, owners, destinations)
        guard links / owners >= Self.farPage else {
            throw LabError(usage: "an owner needs \(Self.farPage) links, so `--links` must be as many times `--owners`")
        }
    }

    /// As many links a page as an owner has for so many pages, but no more than clients get unasked.
    private var pageLinks: Int { min(20, links / owners / Self.farPage) }

    func run() throws {
        let store = try BuiltStore(links, in: rounds.directory.appending("list"), destinations, owners: owners)
        let keys = try makeKeys(store.directory)
        let node = try EdgeNode(data: store.directory, on: Processors.server)
        defer { node.stop() }
        let client = try PageClient(port: node.port)
        let first = keys.map { PageClient.request("limit=\(pageLinks)", key: $0) }
        let far = try keys.map { PageClient.request("limit=\(pageLinks)&cursor=\(try cursor($0, client))", key: $0) }
        let samples = try rounds.samples(
            [first, far].map { requests in
                Contender(name: "") { seconds in try client.medianNanoseconds(requests, seconds: seconds) }
            })
        report(samples, asked: keys.count)
    }

    /// Of the owners that are asked for, made before the node has the store.
    private func makeKeys(_ directory: String) throws -> [String] {
        try (0..<min(owners, Self.askedOwners)).map { owner in
            let output = try runToEnd([
                siblingProgram("edge"), "key", "create", "--name", "bench", "--owner", LinkPopulation.owner(owner),
                "--data", directory,
            ])
            return String(output.prefix { $0 != "\n" })
        }
    }

    /// Behind which the far page begins.
    private func cursor(_ key: String, _ client: PageClient) throws -> String {
        var query = "limit=\(pageLinks)"
        var cursor = ""
        for page in 1..<Self.farPage {
            let body = try client.page(PageClient.request(query, key: key))
            let mark = "\"next_cursor\":\""
            guard let start = body.ranges(of: mark).last?.upperBound else { throw LabError("\(page) pages are all") }
            cursor = String(body[start...].prefix { $0 != "\"" })
            query = "limit=\(pageLinks)&cursor=\(cursor)"
        }
        return cursor
    }

    private func report(_ samples: [[Double]], asked: Int) {
        var table = Table(
            "lists of \(asked) of \(Figure.grouped(owners)) owners of \(Figure.grouped(links)) links, \(pageLinks) a page, "
                + rounds.description, ["page", "median", "of first"])
        for (name, own) in zip(["1", Figure.grouped(Self.farPage)], samples) {
            let ratios = zip(own, samples[0]).map { $0 / $1 }
            table.add([name, Figure.duration(median(own)), Figure.ratio(median(ratios))])
        }
        StandardStream.output.write(
            table.text + "  median: of the answers' times in a round; of first: divided by that of the first page.\n\n")
    }
}

/// Requests for pages, one at a time on one connection.
private final class PageClient {
    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 1 << 20)

    init(port: UInt16) throws { descriptor = try connectToLoopback(port) }

    deinit { close(descriptor) }

    static func request(_ query: String, key: String) -> [UInt8] {
        Array("GET /api/v1/urls?\(query) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(key)\r\n\r\n".utf8)
    }

    /// Head and body of the answer, which must be one of a page.
    func page(_ request: [UInt8]) throws -> String {
        let count = try ask(request)
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// Asks for all of them in turn, for so long, and once at least.
    func medianNanoseconds(_ requests: [[UInt8]], seconds: Double) throws -> Double {
        let end = MonotonicClock.nanoseconds + UInt64(seconds * 1e9)
        var times: [Double] = []
        repeat {
            for request in requests {
                let start = MonotonicClock.nanoseconds
                _ = try ask(request)
                times.append(Double(MonotonicClock.nanoseconds - start))
            }
        } while MonotonicClock.nanoseconds < end
        return median(times)
    }

    private func ask(_ request: [UInt8]) throws -> Int {
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw LabError("the node takes no request")
        }
        var count = 0
        while true {
            let received = buffer.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress! + count, $0.count - count, 0)
            }
            guard received > 0 else { throw LabError("the node's answer is not whole") }
            count += received
            guard
                let found = buffer.withUnsafeBytes({
                    ResponseScanner.first(of: UnsafeRawBufferPointer(rebasing: $0[..<count]))
                })
            else { continue }
            guard found.status == 200 else { throw LabError("a page was answered with \(found.status)") }
            return count
        }
    }
}
