import Links
import Primitives
import Store
import Synchronization

/// Opens what a crash left with the store's own code and says what is wrong with it.
struct Judge {
    /// The store's clock: later than any trace.
    static let now = Instant(milliseconds: 4_000_000_000_000)
    static let mapSizeBytes = 64 << 20

    /// Nil if all is well: the store opens, holds every link that was acknowledged, of the others each whole or not at
    /// all, takes another, and passes its inspection.
    static func fault(in directory: String, acknowledged: [String: String], later: [String: String]) -> String? {
        do {
            if let fault = try read(directory, acknowledged, later) { return fault }
            let inspection = try StoreInspection(directory: directory)
            return inspection.isSound ? nil : "inspection: \(inspection.problems)"
        } catch {
            return "refused: \(error)"
        }
    }

    private static func read(
        _ directory: String, _ acknowledged: [String: String], _ later: [String: String]
    ) throws(StoreError) -> String? {
        let region = StoreSettings.Region(name: "local", character: RegionCharacter(UInt8(ascii: "1"))!)
        let store = try Store(
            StoreSettings(
                directory: directory, regions: [region], region: region, mapSizeBytes: mapSizeBytes, now: { now },
                mustEnd: { fatalError($0) }))
        defer { store.close() }
        let reader = try store.makeReader()
        try reader.begin()
        for (code, destination) in acknowledged {
            let found = Self.destination(reader.find(Array(code.utf8).span.bytes))
            if found != destination {
                reader.end()
                return "acknowledged \(code) is lost: \(found ?? "absent"), and it was \(destination)"
            }
        }
        for (code, destination) in later {
            let found = Self.destination(reader.find(Array(code.utf8).span.bytes))
            if found != nil, found != destination {
                reader.end()
                return "unacknowledged \(code) is neither whole nor absent: \(found!), and it was \(destination)"
            }
        }
        reader.end()
        let created = create(in: store)
        if acknowledged[created] != nil { return "the code \(created) is given out again" }
        return created.isEmpty ? "takes no link" : nil
    }

    private static func destination(_ found: Found) -> String? {
        switch found {
        case .absent, .impossible: nil
        case .damaged: "damaged"
        case .link(let link): link.view.prefix.description + String(decoding: link.destination, as: UTF8.self)
        }
    }

    /// The code; empty if it was refused.
    private static func create(in store: Store) -> String {
        var body = LinkBody()
        body.destination = Array("https://example.com/after".utf8)
        let answers = WaitingQueue<String>(capacity: 1)
        store.create(NewLink(body: body)) { result in
            let code = (try? result.get().code) ?? []
            _ = answers.push(String(decoding: code, as: UTF8.self))
        }
        return answers.take(atMost: 1, timeoutMilliseconds: 30_000)?.first ?? ""
    }
}
