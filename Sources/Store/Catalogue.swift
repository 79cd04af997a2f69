import Links
import Primitives

/// The handles of an environment's tables. Tables are opened when the store is, and when a new node's first entry
/// comes.
struct Catalogue: Sendable {
    let meta, origins, aliases, snowflakes, digests, log: TableHandle
    /// Nil in a store that no program which knows them has opened to write.
    let members, keys, blocks, claims, batches, owners, registers: TableHandle?
    /// By region index × 16 + node.
    private var links: [TableHandle?]
    private(set) var linkTables: [TableID]

    /// Opens the tables that exist; nil if a table that every store has is not there.
    init?(_ transaction: ReadTransaction) throws(LMDBError) {
        func open(_ name: String) throws(LMDBError) -> TableHandle? {
            do throws(LMDBError) { return try transaction.openTable(name) } catch {
                if error == .notFound { return nil }
                throw error
            }
        }
        guard let meta = try open(TableID.meta.name), let origins = try open(TableID.origins.name),
            let aliases = try open(TableID.aliases.name), let snowflakes = try open(TableID.snowflakes.name),
            let digests = try open(TableID.digests.name), let log = try open(TableID.logName)
        else { return nil }
        (self.meta, self.origins, self.aliases) = (meta, origins, aliases)
        (self.snowflakes, self.digests, self.log) = (snowflakes, digests, log)
        members = try open(TableID.members.name)
        (keys, owners) = (try open(TableID.keys.name), try open(TableID.owners.name))
        (registers, blocks) = (try open(TableID.registers.name), try open(TableID.blocks.name))
        (claims, batches) = (try open(TableID.claims.name), try open(TableID.batches.name))
        var links = [TableHandle?](repeating: nil, count: 62 * 16)
        var tables: [TableID] = []
        for table in try Self.linkTableNames(transaction) {
            guard case .links(let region, let node) = table, let character = RegionCharacter(region) else { continue }
            links[Int(character.index) * 16 + Int(node)] = try open(table.name)
            tables.append(table)
        }
        (self.links, linkTables) = (links, tables)
    }

    /// The tables that hold records, which all nodes have alike.
    var recordTables: [TableID] { linkTables + [.snowflakes, .aliases, .members, .keys, .blocks] }

    /// Nil for a region and node that no link came from.
    func links(region: RegionCharacter, node: UInt8) -> TableHandle? { links[Int(region.index) * 16 + Int(node)] }

    func handle(_ table: TableID) -> TableHandle? {
        switch table {
        case .links(let region, let node): RegionCharacter(region).flatMap { links(region: $0, node: node) }
        case .snowflakes: snowflakes
        case .aliases: aliases
        case .origins: origins
        case .meta: meta
        case .digests: digests
        case .members: members
        case .keys: keys
        case .blocks: blocks
        case .claims: claims
        case .batches: batches
        case .owners: owners
        case .registers: registers
        case .totals, .days, .journal: nil
        }
    }

    /// Makes the table of a region and node that no link came from so far; forgotten with the transaction, unless that is
    /// committed.
    mutating func add(
        _ table: TableID, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> TableHandle {
        guard case .links(let region, let node) = table, let character = RegionCharacter(region), node < 16 else {
            preconditionFailure("only tables of generated links come later")
        }
        let handle = try transaction.openTable(table.name)
        links[Int(character.index) * 16 + Int(node)] = handle
        linkTables.append(table)
        linkTables.sort { $0.bytes < $1.bytes }
        return handle
    }

    private static func linkTableNames(_ transaction: ReadTransaction) throws(LMDBError) -> [TableID] {
        let names = try transaction.cursor(.main)
        var tables: [TableID] = []
        var row = try names.move(.first)
        while let (key, _) = row {
            let name = String(decoding: key, as: UTF8.self)
            let characters = Array(name.utf8)
            if name.hasPrefix("links/"), characters.count == 8, let node = UInt8(name.suffix(1), radix: 16) {
                let table = TableID.links(region: characters[6], node: node)
                if table.name == name { tables.append(table) }
            }
            row = try names.move(.next)
        }
        return tables
    }

    /// Makes the tables of a new store, with those of generated links that are given.
    static func create(in transaction: borrowing WriteTransaction, links: [TableID]) throws(LMDBError) {
        for table in [TableID.meta, .origins, .aliases, .snowflakes, .digests] + links {
            _ = try transaction.openTable(table.name)
        }
        _ = try transaction.openTable(TableID.logName)
        try addLater(in: transaction)
    }

    /// Makes the tables that stores of earlier programs lack.
    static func addLater(in transaction: borrowing WriteTransaction) throws(LMDBError) {
        for table in [TableID.members, .keys, .blocks, .claims, .batches, .owners, .registers] {
            _ = try transaction.openTable(table.name)
        }
    }

    var hasAll: Bool { [members, keys, blocks, claims, batches, owners, registers].allSatisfy { $0 != nil } }
}

/// The rows of the table `meta`.
enum MetaRow {
    static let format = Array("format".utf8)
    static let identity = Array("identity".utf8)
    static let codeSecret = Array("code-secret".utf8)

    /// There is an alias that looks like a generated code.
    static let shapedAliases = Array("shaped-aliases".utf8)

    /// The node has never covered what its peers hold.
    static let joining = Array("joining".utf8)

    /// Records were taken from peers without their log entries, so the log does not tell of all records.
    static let repaired = Array("repaired".utf8)

    /// Of the log's entries: the newest format that one of them had. Not there: the first.
    static let logFormat = Array("log-format".utf8)

    /// The format that this program writes; one that reads more says so here.
    static let currentFormat: UInt64 = 1
}

/// Who the store's node is: cluster and region name (each a varint of its length, then UTF-8), index of its origin.
struct StoreIdentity: Equatable {
    var cluster: String
    var regionName: String
    var originIndex: UInt16

    var payload: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(lengthPrefixed: Array(cluster.utf8))
        bytes.append(lengthPrefixed: Array(regionName.utf8))
        bytes.append(bigEndian: originIndex)
        return bytes
    }

    init(cluster: String, regionName: String, originIndex: UInt16) {
        (self.cluster, self.regionName, self.originIndex) = (cluster, regionName, originIndex)
    }

    init(decoding payload: RawSpan) throws(MalformedBytes) {
        var bytes = payload
        cluster = String(decoding: try bytes.takeLengthPrefixed(), as: UTF8.self)
        regionName = String(decoding: try bytes.takeLengthPrefixed(), as: UTF8.self)
        originIndex = try bytes.takeUInt16()
    }
}
