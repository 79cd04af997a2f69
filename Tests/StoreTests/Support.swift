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

    /// All files of the store but LMDB's lock, by path below it.
    var contents: [String: [UInt8]] {
        var contents: [String: [UInt8]] = [:]
        for name in FileManager.default.enumerator(atPath: store)?.allObjects as? [String] ?? [] {
            if name.hasSuffix("lock.mdb") { continue }
            contents[name] = read(store + "/" + name)
        }
        return contents
    }

    /// Puts back what `contents` gave.
    func restore(_ contents: [String: [UInt8]]) throws {
        try? FileManager.default.removeItem(atPath: store)
        try FileManager.default.createDirectory(atPath: store, withIntermediateDirectories: true)
        for (name, bytes) in contents { try write(bytes, to: store + "/" + name) }
    }
}

func read(_ path: String) -> [UInt8] { FileManager.default.contents(atPath: path).map { [UInt8]($0) } ?? [] }
func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(filePath: path)) }

/// Opens the store, closes it after `use` and lets go of it, so that it can be opened again.
@discardableResult
func withStore<Result>(_ settings: StoreSettings, _ use: (Store) throws -> Result) throws -> Result {
    let store = try Store(settings)
    defer { store.close() }
    return try use(store)
}

/// Destinations by code.
typealias Links = [[UInt8]: String]

/// A closed store with some links of both kinds. Generated links have odd destinations, aliases telling names.
func makeStore(_ settings: StoreSettings, clock: TestClock, generated: Int, aliases: Int) throws -> Links {
    try withStore(settings) { store in
        clock.advance(milliseconds: 1000)
        var links: Links = [:]
        for number in 0..<generated {
            let link = try store.createAndWait("https://generated-\(number).example.com/path")
            links[link.code] = String(decoding: link.body.destination, as: UTF8.self)
        }
        for number in 0..<aliases {
            let link = try store.createAndWait("https://alias-\(number).example.com/", alias: "alias-\(number)")
            links[link.code] = String(decoding: link.body.destination, as: UTF8.self)
        }
        return links
    }
}

extension Store {
    /// Every link is there and leads where it should.
    func expect(_ links: Links, _ comment: Comment? = nil) throws {
        let reader = try makeReader()
        for (code, destination) in links {
            #expect(try reader.destination(code) == destination, comment ?? "\(String(decoding: code, as: UTF8.self))")
        }
    }
}

/// A clock that tests move.
final class TestClock: Sendable {
    private let milliseconds = Atomic<Int64>(1_790_000_000_000)
    private let passed = Atomic<Int64>(0)
    var now: Instant { Instant(milliseconds: milliseconds.load(ordering: .relaxed)) }
    var ticks: Int64 { passed.load(ordering: .relaxed) }

    /// Time passes; or, if `delta` is negative, somebody sets the clock.
    func advance(milliseconds delta: Int64) {
        step(milliseconds: delta)
        passed.add(max(0, delta), ordering: .relaxed)
    }

    /// Somebody sets the clock.
    func step(milliseconds delta: Int64) { milliseconds.add(delta, ordering: .relaxed) }
}

let localRegion = StoreSettings.Region(name: "local", character: RegionCharacter(UInt8(ascii: "1"))!)

func settings(_ directory: TemporaryDirectory, clock: TestClock = TestClock()) -> StoreSettings {
    var settings = StoreSettings(
        directory: directory.store, regions: [localRegion], region: localRegion, mapSizeBytes: 1 << 30,
        now: { clock.now }, mustEnd: { fatalError($0) })
    settings.ticks = { clock.ticks }
    return settings
}

/// A switch that tests throw while threads look at it.
final class Flag: Sendable {
    private let state: Atomic<Bool>
    init(_ value: Bool) { state = Atomic(value) }
    var value: Bool {
        get { state.load(ordering: .acquiring) }
        set { state.store(newValue, ordering: .releasing) }
    }
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
    func findsNothing(_ code: [UInt8]) -> Bool {
        switch find(code.span.bytes) {
        case .absent, .impossible: true
        case .link, .damaged: false
        }
    }

    /// What a redirect would give: the destination, or a word for why there is none.
    func destination(_ code: [UInt8]) throws -> String {
        try begin()
        defer { end() }
        switch find(code.span.bytes) {
        case .absent, .impossible: return "absent"
        case .damaged: return "damaged"
        case .link(let link): return link.view.prefix.description + String(decoding: link.destination, as: UTF8.self)
        }
    }
}

func text(_ error: (any Error)?) -> String { error.map { "\($0)" } ?? "no error" }
