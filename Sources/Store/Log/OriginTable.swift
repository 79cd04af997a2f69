import Links
import Primitives

/// The rows of the version vector as a write transaction sees and changes them, but for the node's own live one.
struct OriginTable {
    private(set) var rows: [UInt16: OriginRow]
    /// Who the indexes in records stand for, the own life among them.
    private(set) var names: [UInt16: Origin]
    private var indexes: [Origin: UInt16]
    private var ownIndex: UInt16?
    /// Rows that the present transaction changed.
    private(set) var touched: Set<UInt16> = []

    /// `ownIndex`: of the row that its owner writes itself; nil if there is none.
    init(_ rows: [UInt16: OriginRow], ownIndex: UInt16?) {
        self.rows = rows.filter { $0.key != ownIndex }
        names = rows.mapValues(\.origin)
        indexes = Dictionary(names.map { ($1, $0) }, uniquingKeysWith: max)
        lastIndex = names.keys.max() ?? 0
        self.ownIndex = ownIndex
    }

    /// The greatest index in use: only its log can be appended to.
    private(set) var lastIndex: UInt16

    func index(of origin: Origin) -> UInt16? { indexes[origin] }

    func isOwn(_ origin: Origin) -> Bool { ownIndex != nil && indexes[origin] == ownIndex }

    /// Takes in an origin, at the next index unless one is given; nil if there is no room for it.
    mutating func add(_ row: OriginRow, at given: UInt16? = nil) -> UInt16? {
        guard names.count < StoreLimits.origins,
            let index = given ?? UInt16(exactly: Int(lastIndex) + (names.isEmpty ? 0 : 1))
        else { return nil }
        precondition(names[index] == nil && indexes[row.origin] == nil, "an index stands for one origin")
        (rows[index], names[index], indexes[row.origin]) = (row, row.origin, index)
        lastIndex = max(lastIndex, index)
        touched.insert(index)
        return index
    }

    mutating func update(_ index: UInt16, _ change: (inout OriginRow) -> Void) {
        precondition(rows[index] != nil, "an unknown origin, or the own one")
        change(&rows[index]!)
        touched.insert(index)
    }

    /// The node's own life has ended with `row`, and another begins, whose index this gives; nil if there is no room.
    mutating func beginOwnLife(_ origin: Origin, ended row: OriginRow) -> UInt16? {
        guard names.count < StoreLimits.origins, let index = UInt16(exactly: Int(lastIndex) + 1) else { return nil }
        rows[ownIndex!] = row
        touched.insert(ownIndex!)
        (names[index], indexes[origin], ownIndex, lastIndex) = (origin, index, index, index)
        return index
    }

    /// The row of every touched index goes into the transaction.
    func write(_ table: TableHandle, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        for index in touched.sorted() {
            let key = OriginRow.key(index)
            try transaction.put(table, key, Row.sealed(.origins, key, rows[index]!.payload))
        }
    }

    mutating func forgetTouched() { touched.removeAll() }
}
