/// Where things lie in the bytes of an LMDB 0.9 file.
struct RawFile {
    /// A row in a leaf page; places in the file.
    struct Node {
        let table: String
        /// Eight bytes: size of the value, flags, size of the key.
        let header: Range<Int>
        let key: Range<Int>
        let value: Range<Int>
    }

    static let pageSizeBytes = 4096
    private let bytes: [UInt8]
    /// The rows of all named tables, in key order.
    private(set) var nodes: [Node] = []
    /// The free space in the leaf pages of the named tables.
    private(set) var unused: [Range<Int>] = []

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        let meta = word(144) > word(Self.pageSizeBytes + 144) ? 0 : Self.pageSizeBytes
        var tables: [(name: String, root: Int)] = []
        walk(word(meta + 128), "") { node in
            tables.append((String(decoding: bytes[node.key], as: UTF8.self), node.value.lowerBound + 40))
        }
        var found: [Node] = []
        for (name, root) in tables where word(root) != -1 { walk(word(root), name) { found.append($0) } }
        nodes = found
    }

    /// What the newest header speaks of.
    static func usedBytes(_ bytes: [UInt8]) -> Int {
        func word(_ offset: Int) -> Int {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Int.self) }
        }
        let meta = word(144) > word(pageSizeBytes + 144) ? 0 : pageSizeBytes
        return (word(meta + 136) + 1) * pageSizeBytes
    }

    private func word(_ offset: Int) -> Int { number(offset, 8) }

    private func number(_ offset: Int, _ size: Int) -> Int {
        Int(truncatingIfNeeded: bytes[offset..<offset + size].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    private mutating func walk(_ page: Int, _ table: String, _ visit: (Node) -> Void) {
        let start = page * Self.pageSizeBytes
        let isBranch = number(start + 10, 2) & 1 != 0
        let free = start + number(start + 12, 2)..<start + number(start + 14, 2)
        if !isBranch, !table.isEmpty, !free.isEmpty { unused.append(free) }
        for slot in 0..<(number(start + 12, 2) - 16) / 2 {
            let node = start + number(start + 16 + 2 * slot, 2)
            if isBranch {
                walk(number(node, 6), table, visit)
            } else {
                let key = node + 8..<node + 8 + number(node + 6, 2)
                visit(
                    Node(
                        table: table, header: node..<node + 8, key: key,
                        value: key.upperBound..<key.upperBound + number(node, 4)))
            }
        }
    }
}
