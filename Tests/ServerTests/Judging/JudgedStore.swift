import Dispatch
import Glibc
import Links
import Primitives
import Store
import Synchronization

@testable import Server

/// A store with links that a test judges, and the blocks that came of it, in memory.
final class JudgedStore: Sendable {
    struct Blocks {
        /// By link, the list on whose word it is blocked; nil: somebody has decided.
        var standing: [LinkKey: String?] = [:]
        var writes: [JudgedBlock] = []
        /// When another node wrote them; nil: this one did.
        var writtenElsewhere: Stamp?
        /// Why nothing can be written now.
        var failure: String?
    }

    let directory: TemporaryDirectory
    let store: Store
    let blocks = Mutex(Blocks())

    init(in directory: TemporaryDirectory = TemporaryDirectory()) throws {
        self.directory = directory
        let region = StoreSettings.Region(name: "local", character: RegionCharacter(UInt8(ascii: "1"))!)
        store = try Store(
            StoreSettings(
                directory: directory.path + "/data", regions: [region], region: region, mapSizeBytes: 1 << 28,
                now: { Instant(milliseconds: System.wallMilliseconds()) }, mustEnd: { fatalError($0) }))
    }

    deinit { store.close() }

    var data: String { directory.path + "/data" }

    var moderation: Moderation {
        Moderation(
            standing: { [self] key in
                let elsewhere = blocks.withLock { $0.writtenElsewhere }
                return list(key).map {
                    ListBlock(list: $0, stamp: elsewhere ?? Stamp(rawValue: 0), isOwn: elsewhere == nil)
                }
            },
            write: { [self] write, done in
                done(
                    blocks.withLock { blocks in
                        if let failure = blocks.failure { return .failed(reason: failure) }
                        blocks.writes.append(write)
                        switch blocks.standing[write.key] {
                        case .some(nil): return .unchanged
                        case .some(let list?) where list != write.list && list != write.replaced: return .unchanged
                        default: break
                        }
                        blocks.standing[write.key] = write.isBlocked ? .some(write.list) : nil
                        return .done
                    })
            })
    }

    @discardableResult
    func make(_ url: String, alias: String? = nil, forwardsQuery: Bool = false) throws -> LinkKey {
        var body = LinkBody()
        if forwardsQuery { body.flags.insert(.forwardsQuery) }
        body.destination = Array(url.utf8)
        let name = try alias.map { try Alias(imported: Array($0.utf8).span.bytes) }
        return try done { [body] in store.create(NewLink(alias: name, body: body), completion: $0) }.key
    }

    func change(_ key: LinkKey, to url: String) throws {
        var body = LinkBody()
        body.destination = Array(url.utf8)
        _ = try done { [body] in store.change(key, .update(body), completion: $0) }
    }

    func delete(_ key: LinkKey) throws { _ = try done { store.change(key, .delete, completion: $0) } }

    private func done(_ begin: (@escaping Store.Completion) -> Void) throws -> CreatedLink {
        let finished = DispatchSemaphore(value: 0)
        let result = Mutex<Result<CreatedLink, WriteError>?>(nil)
        begin { outcome in
            result.withLock { $0 = outcome }
            finished.signal()
        }
        finished.wait()
        return try result.withLock { $0! }.get()
    }

    /// The list on whose word a link is blocked.
    func list(_ key: LinkKey) -> String? { blocks.withLock { $0.standing[key] ?? nil } }
    var writes: [JudgedBlock] { blocks.withLock { $0.writes } }

    func file(_ text: String, _ name: String) -> String { directory.write(text, to: name) }

    func configuration(_ lists: [String]) -> Configuration {
        var configuration = Configuration()
        configuration.blockLists = lists
        return configuration
    }

    func wait(_ what: String, _ isSo: () throws -> Bool) throws {
        let deadline = Deadline()
        while try !isSo() {
            guard !deadline.isOver else { throw HarnessError("it did not come to this: \(what)") }
            poll(nil, 0, 5)
        }
    }
}
