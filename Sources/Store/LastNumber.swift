import Links
import Primitives

/// How far the generated numbers in a node's own table go.
struct LastNumber {
    /// The key of the last row as it stands there, sound or not: what sorts behind it can be appended.
    private(set) var lastKey: UInt64?
    /// The greatest number of a sound row.
    private(set) var highest: UInt64?
    /// A row behind that one is damaged, so that its key is not to be believed.
    private(set) var hidesMore = false

    init(_ catalogue: Catalogue, _ settings: StoreSettings, _ transaction: ReadTransaction) throws(LMDBError) {
        let (region, node) = (settings.region.character, settings.node)
        guard let table = catalogue.links(region: region, node: node) else { throw .corrupted }
        let cursor = try transaction.cursor(table)
        var row = try cursor.move(.last)
        while let (key, value) = row {
            var bytes = key.bytes
            let number = try? bytes.takeUInt48()
            lastKey = lastKey ?? number
            if let number, Row.payload(.links(region: region.byte, node: node), key, value) != nil {
                highest = number
                return
            }
            hidesMore = true
            row = try cursor.move(.previous)
        }
    }

    /// The counter after the highest number that was given out: where the last rows cannot be read, that is the end of
    /// what the node ever leased.
    func nextCounter(_ rows: some Collection<OriginRow>, _ settings: StoreSettings) -> UInt64 {
        let sound = highest.map { GeneratedNumber.counter(of: $0) + 1 } ?? 0
        guard hidesMore else { return sound }
        let own = rows.filter {
            $0.origin.region == settings.region.character.byte && $0.origin.node == settings.node
        }
        return max(sound, own.map(\.ceiling).max() ?? 0)
    }
}
