import Links
import Primitives

/// The generated codes of a store's own node, in the order in which they were given out. They are computed: numbers
/// ascend without gaps where no life of the node was lost and no breaker opened.
package struct IssuedCodes: Sendable {
    package let count: Int
    private let firstCounter: UInt64
    private let region: RegionCharacter
    private let node: UInt8
    private let codeSpace: CodeSpace

    /// Of the store in `directory`, which may be in use. Throws if it cannot be read, or if the numbers have gaps.
    package init(directory: String) throws(StoreError) {
        let path = directory + "/" + StoreFile.name
        let image = try openForReading(directory)
        let origin = image.origins[image.identity.originIndex]!.origin
        (region, node) = (RegionCharacter(origin.region)!, origin.node)
        codeSpace = CodeSecret.space(image.codeSecret, [region])
        let ends: (first: UInt64, last: UInt64)?
        do throws(LMDBError) {
            let table = image.catalogue.links(region: region, node: node)!
            count = try image.snapshot.entryCount(table)
            let cursor = try image.snapshot.cursor(table)
            ends = Self.counters(try cursor.move(.first), try cursor.move(.last))
        } catch {
            throw .system(path: path, reason: error.description)
        }
        firstCounter = ends?.first ?? 0
        guard ends.map({ $0.last &- $0.first &+ 1 }) ?? 0 == UInt64(count) else {
            throw .system(path: path, reason: "the numbers of its links have gaps")
        }
    }

    /// The code of the link that was made after `index` others.
    package subscript(index: Int) -> Code {
        precondition(index >= 0 && index < count)
        return codeSpace.code(
            of: GeneratedNumber.number(counter: firstCounter + UInt64(index), node: node), region: region)
    }

    private static func counters(_ first: Cursor.Pair?, _ last: Cursor.Pair?) -> (first: UInt64, last: UInt64)? {
        func counter(_ pair: Cursor.Pair?) -> UInt64? {
            guard let pair, pair.key.count == 6 else { return nil }
            var bytes = pair.key.bytes
            return (try? bytes.takeUInt48()).map(GeneratedNumber.counter)
        }
        guard let first = counter(first), let last = counter(last) else { return nil }
        return (first, last)
    }
}
