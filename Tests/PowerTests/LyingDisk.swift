extension DiskTrace {
    /// Takes from the trace what this disk did not do.
    mutating func tell(_ lie: Lie) {
        let (stores, directories) = (storeNodes, Set(start.directories.keys))
        switch lie {
        case .noDataSync: dropSyncs { stores.contains($0) }
        case .noMetaSync:
            let first = events.firstIndex { if case .acknowledged = $0 { true } else { false } }!
            events = events[..<first] + events[first...].filter { if case .syncedChange = $0 { false } else { true } }
        case .noDirectorySync: dropSyncs { directories.contains($0) }
        case .noSmallFileSync: dropSyncs { !stores.contains($0) && !directories.contains($0) }
        case .lostPage: losePage()
        }
    }

    private mutating func dropSyncs(of isMeant: (Int) -> Bool) {
        events.removeAll { event in
            guard case .synced(let node, _) = event else { return false }
            return isMeant(node)
        }
    }

    /// A page that holds nothing but a long record never comes to the disk, although it was synced: that of the middle
    /// of the trace.
    private mutating func losePage() {
        let found = events.indices.compactMap { index -> (Int, FileChange, Int)? in
            guard case .change(let change) = events[index], case .write(_, let bytes) = change.kind,
                let page = Self.longRecordPage(bytes)
            else { return nil }
            return (index, change, page)
        }
        let (index, change, page) = found[found.count / 2]
        guard case .write(let offset, let bytes) = change.kind else { preconditionFailure("only writes were chosen") }
        var (before, after) = (change, change)
        before.kind = .write(offset: offset, bytes: Array(bytes[..<page]))
        after.kind = .write(
            offset: offset + page + Self.pageBytes, bytes: Array(bytes[(page + Self.pageBytes)...]))
        events.replaceSubrange(index...index, with: [.change(before), .change(after)])
    }

    private static let pageBytes = 4096

    /// Where in a write of pages one stands whose flags (bytes 10 and 11 of LMDB's page header) say overflow alone.
    private static func longRecordPage(_ bytes: [UInt8]) -> Int? {
        stride(from: 0, through: bytes.count - pageBytes, by: pageBytes).first {
            bytes[$0 + 10] == 4 && bytes[$0 + 11] == 0
        }
    }
}
