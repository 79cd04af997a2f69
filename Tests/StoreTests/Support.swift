import Foundation
import Links
import Primitives
import Store
import Synchronization
import Testing

/// A directory that goes away with the test.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        path = FileManager.default.temporaryDirectory.appending(path: "edge-test-\(UUID().uuidString)").path
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var store: String { path + "/data" }
    var file: String { store + "/data.mdb" }
    var identity: String { store + "/identity" }
}

/// A clock that tests move.
final class TestClock: Sendable {
    private let milliseconds = Atomic<Int64>(1_790_000_000_000)
    var now: Instant { Instant(milliseconds: milliseconds.load(ordering: .relaxed)) }
    func advance(milliseconds delta: Int64) { milliseconds.add(delta, ordering: .relaxed) }
}

let localRegion = StoreSettings.Region(name: "local", character: RegionCharacter(UInt8(ascii: "1"))!)

func settings(_ directory: TemporaryDirectory, clock: TestClock = TestClock()) -> StoreSettings {
    StoreSettings(
        directory: directory.store, regions: [localRegion], region: localRegion, mapSizeBytes: 1 << 30,
        now: { clock.now }, mustEnd: { fatalError($0) })
}

func body(_ destination: String) -> LinkBody {
    var body = LinkBody()
    body.destination = Array(destination.utf8)
    return body
}

extension Store {
    /// Creates and waits.
    func createAndWait(_ link: NewLink) -> Result<CreatedLink, WriteError> {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<Result<CreatedLink, WriteError>?>(nil)
        create(link) { outcome in
            result.withLock { $0 = outcome }
            done.signal()
        }
        done.wait()
        return result.withLock { $0! }
    }

    func createAndWait(_ destination: String, alias: String? = nil) throws -> CreatedLink {
        let alias = try alias.map { try Alias(Array($0.utf8).span.bytes, in: codeSpace) }
        return try createAndWait(NewLink(alias: alias, body: body(destination))).get()
    }

    /// Many at once, so that they share commits.
    func createMany(_ links: [NewLink]) -> [Result<CreatedLink, WriteError>] {
        let done = DispatchGroup()
        let results = Mutex([Result<CreatedLink, WriteError>](repeating: .failure(.stopping), count: links.count))
        for (index, link) in links.enumerated() {
            done.enter()
            create(link) { outcome in
                results.withLock { $0[index] = outcome }
                done.leave()
            }
        }
        done.wait()
        return results.withLock { $0 }
    }
}

extension LinkReader {
    /// What a redirect would give: the destination, or a word for why there is none.
    func destination(_ code: [UInt8]) throws -> String {
        try begin()
        defer { end() }
        switch find(code.span.bytes) {
        case .absent: return "absent"
        case .damaged: return "damaged"
        case .link(let link): return link.view.prefix.description + String(decoding: link.destination, as: UTF8.self)
        }
    }
}

func text(_ error: (any Error)?) -> String { error.map { "\($0)" } ?? "no error" }
