import Glibc
import Links
import Primitives

/// Takes a data directory from whatever state it is in to one that can be written, or says why it cannot.
///
///     identity  data.mdb   what it is                          what happens
///     no        no         a new node                          a store is made, unless a copy into the directory was
///                                                              not finished: refused
///     yes       no         the store was lost                  refused
///     no        yes        restored, or told to join anew      new incarnation
///     yes       yes        the usual start                     same incarnation, unless the log does not end where
///                                                              the side file says, or is behind its lease
///
/// The directory `new` stands there while a first start is under way: with it, a store without `identity` and without
/// an entry is that start's, and no restored one.
struct StoreOpening {
    let directory: DataDirectory
    private(set) var image: StoreImage
    var sideFile: SideFile
    /// The node's own row; a fresh incarnation's is empty.
    var ownRow: OriginRow
    var ownIndex: UInt16
    /// The row of the life before, if this start began a new one.
    let endedRow: OriginRow?

    /// The version vector as it stands now, by index.
    var rows: [UInt16: OriginRow] {
        var rows = image.origins
        if let endedRow { rows[image.identity.originIndex]!.seal = endedRow.head }
        rows[ownIndex] = ownRow
        return rows
    }

    init(_ settings: StoreSettings, _ directory: DataDirectory) throws(StoreError) {
        self.directory = directory
        let side = try SideFile.read(directory.identityPath)
        switch try StoreFile.inspect(directory.storePath) {
        case .absent:
            guard side == nil else { throw .missing(path: directory.storePath) }
            guard !PartialStore.isThere(directory) else { throw .unfinished(directory: directory.path) }
            try Self.createStore(settings, directory)
        case .present: PartialStore.clear(directory)
        }
        image = try StoreImage(
            directory: directory.path, mapSizeBytes: settings.mapSizeBytes, knownLogFormat: settings.logFormat)
        ownIndex = image.identity.originIndex
        ownRow = image.origins[ownIndex]!
        try Self.checkSettings(settings, image, directory.storePath)
        if let side {
            try Self.check(side, against: ownRow, image.identity, directory.storePath)
            let isBehind = ownRow.head + SideFile.leaseStep + UInt64(StoreLimits.writesPerCommit) < side.sequenceLease
            if !isBehind, side.closedAt ?? ownRow.head == ownRow.head {
                (sideFile, endedRow) = (side, nil)
                try Self.addLaterTables(&image, directory.storePath)
                Self.clearWorkshop(directory)
                return
            }
        }
        let isFirstStart =
            side == nil && ownRow.head == 0 && image.origins.count == 1 && access(Self.workshop(directory), F_OK) == 0
        endedRow = isFirstStart ? nil : ownRow
        try Self.addLaterTables(&image, directory.storePath)
        if !isFirstStart {
            (ownIndex, ownRow) = try Self.beginIncarnation(settings, image, ended: ownIndex, ownRow, directory)
        }
        sideFile = SideFile(
            cluster: settings.cluster, regionName: settings.region.name, origin: ownRow.origin,
            sequenceLease: ownRow.head + SideFile.leaseStep)
        do throws(LMDBError) {
            try directory.replace(directory.identityPath, with: Array(sideFile.text.utf8))
        } catch {
            throw .system(path: directory.identityPath, reason: error.description)
        }
        Self.clearWorkshop(directory)
    }

    private static func addLaterTables(_ image: inout StoreImage, _ path: String) throws(StoreError) {
        do throws(LMDBError) { try image.addLaterTables() } catch {
            throw .system(path: path, reason: error.description)
        }
    }

    private static func workshop(_ directory: DataDirectory) -> String { directory.path + "/new" }

    private static func clearWorkshop(_ directory: DataDirectory) {
        for file in [StoreFile.name, "lock.mdb"] { unlink(workshop(directory) + "/" + file) }
        rmdir(workshop(directory))
    }

    private static func checkSettings(
        _ settings: StoreSettings, _ image: StoreImage, _ path: String
    ) throws(StoreError) {
        let origin = image.origins[image.identity.originIndex]!.origin
        func differs(_ what: String, _ stored: String, _ configured: String) -> StoreError {
            .otherNode(path: path, reason: "\(what) \(stored) in the store, \(configured) in the configuration")
        }
        let region = "\(image.identity.regionName):\(Character(UnicodeScalar(origin.region)))"
        let configured = "\(settings.region.name):\(Character(UnicodeScalar(settings.region.character.byte)))"
        if image.identity.cluster != settings.cluster {
            throw differs("cluster", image.identity.cluster, settings.cluster)
        }
        if region != configured { throw differs("region", region, configured) }
        if origin.node != settings.node { throw differs("node", "\(origin.node)", "\(settings.node)") }
        if let secret = settings.codeSecret, CodeSecret.stored(secret) != image.codeSecret {
            throw .codeSecretDiffers(path: path)
        }
    }

    private static func check(
        _ side: SideFile, against row: OriginRow, _ identity: StoreIdentity, _ path: String
    ) throws(StoreError) {
        if side.origin != row.origin || side.cluster != identity.cluster || side.regionName != identity.regionName {
            throw .identityMismatch(
                path: path,
                reason: "incarnation \(hex(row.origin.incarnation, 16)) here, \(hex(side.origin.incarnation, 16)) there"
            )
        }
        if row.head > side.sequenceLease {
            throw .identityMismatch(
                path: path, reason: "entry \(row.head) here, at most \(side.sequenceLease) by the side file")
        }
    }

    /// A store appears under its name only when it is whole: it is made beside and moved in place.
    private static func createStore(_ settings: StoreSettings, _ directory: DataDirectory) throws(StoreError) {
        let workshop = workshop(directory)
        clearWorkshop(directory)
        if mkdir(workshop, 0o700) != 0, errno != EEXIST { throw .system(path: workshop, reason: systemReason()) }
        let secret = settings.codeSecret ?? CodeSecret.random()
        let origin = Origin(
            region: settings.region.character.byte, node: settings.node, incarnation: settings.newIncarnation())
        do throws(LMDBError) {
            let environment = try Environment(
                directory: workshop, mapSizeBytes: settings.mapSizeBytes, maximumTables: StoreLimits.tables,
                readOnly: false)
            let transaction = try environment.beginWrite()
            try Catalogue.create(in: transaction, links: [.links(region: origin.region, node: origin.node)])
            let meta = try transaction.openTable(TableID.meta.name)
            let identity = StoreIdentity(
                cluster: settings.cluster, regionName: settings.region.name, originIndex: 0)
            var format: [UInt8] = []
            format.append(bigEndian: MetaRow.currentFormat)
            for (key, payload) in [
                (MetaRow.format, format), (MetaRow.identity, identity.payload),
                (MetaRow.codeSecret, CodeSecret.stored(secret)), (MetaRow.joining, [1]),
            ] { try transaction.put(meta, key, Row.sealed(.meta, key, payload)) }
            var row = OriginRow(origin: origin, chainStart: LogChain().start(origin))
            var clock = HybridClock()
            row.headStamp = clock.stamp(now: settings.now()).rawValue
            row.noteWall(settings.now())
            let origins = try transaction.openTable(TableID.origins.name)
            try transaction.put(origins, OriginRow.key(0), Row.sealed(.origins, OriginRow.key(0), row.payload))
            try transaction.commit()
        } catch {
            throw .system(path: workshop, reason: error.description)
        }
        guard rename(workshop + "/" + StoreFile.name, directory.storePath) == 0 else {
            throw .system(path: directory.storePath, reason: systemReason())
        }
        try directory.sync()
        try directory.syncName()
    }

    /// Seals the old life at what is here and begins another in one transaction. The side file goes first: whenever
    /// this is cut short, the next start finds none and begins a new life again.
    private static func beginIncarnation(
        _ settings: StoreSettings, _ image: StoreImage, ended index: UInt16, _ ended: OriginRow,
        _ directory: DataDirectory
    ) throws(StoreError) -> (UInt16, OriginRow) {
        if unlink(directory.identityPath) == 0 { try directory.sync() }
        let newIndex = image.origins.keys.max()! + 1
        var origin = ended.origin
        origin.incarnation = settings.newIncarnation()
        var row = OriginRow(origin: origin, chainStart: LogChain().start(origin))
        var clock = HybridClock(last: Stamp(rawValue: image.origins.values.map(\.headStamp).max()!))
        row.headStamp = clock.stamp(now: settings.now()).rawValue
        row.wall = ended.wall
        row.noteWall(settings.now())
        var sealed = ended
        sealed.seal = ended.head
        var identity = image.identity
        identity.originIndex = newIndex
        do throws(LMDBError) {
            row.firstCounter = try firstCounter(settings, image, ended)
            let transaction = try image.environment.beginWrite()
            for (index, row) in [(index, sealed), (newIndex, row)] {
                let key = OriginRow.key(index)
                try transaction.put(image.catalogue.origins, key, Row.sealed(.origins, key, row.payload))
            }
            try transaction.put(
                image.catalogue.meta, MetaRow.identity, Row.sealed(.meta, MetaRow.identity, identity.payload))
            try transaction.doubtAcceptor(image.catalogue)
            try transaction.commit()
        } catch {
            throw .system(path: directory.storePath, reason: error.description)
        }
        return (newIndex, row)
    }

    /// Beyond whatever the ended life may have given out after what this store shows of it.
    private static func firstCounter(
        _ settings: StoreSettings, _ image: StoreImage, _ ended: OriginRow
    ) throws(LMDBError) -> UInt64 {
        let last = try LastNumber(image.catalogue, settings, try image.environment.beginRead())
        // All that was given out before the stamp of the ended life's head, or of its beginning, is below this.
        let known = max(last.nextCounter(image.origins.values, settings), ended.firstCounter, 1)
        return Issuer.resumed(
            highest: GeneratedNumber.number(counter: known - 1, node: settings.node),
            at: Stamp(rawValue: ended.headStamp).instant, now: settings.now(), limits: settings.issuerLimits)
    }
}

/// The secret that keys the permutation of codes. The store keeps a hash of it that serves as the key.
enum CodeSecret {
    /// Of what the store keeps.
    static let sizeBytes = 32

    static func random() -> [UInt8] { (0..<32).map { _ in UInt8.random(in: 0...255) } }

    static func stored(_ secret: [UInt8]) -> [UInt8] {
        SHA256Hasher().hash(Array("edge code permutation".utf8), secret)
    }

    static func space(_ stored: [UInt8], _ regions: [RegionCharacter]) -> CodeSpace {
        var bytes = stored.span.bytes
        let (key0, key1) = (try? bytes.takeUInt64(), try? bytes.takeUInt64())
        return CodeSpace(key0: key0!, key1: key1!, regions: regions)
    }
}
