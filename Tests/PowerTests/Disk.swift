import Foundation
import Primitives

/// A directory tree as a disk holds it for sure, and what may be on it besides.
///
/// As POSIX has it, and no better: syncing a file says nothing of its name, syncing a directory nothing of the files in
/// it or of its own name, and what is not synced may come in any part and order.
struct Disk {
    struct File {
        var bytes: [UInt8] = []
        /// At least `bytes.count`; zeros beyond.
        var sizeBytes = 0
        var pending: [FileChange] = []
    }

    static let root = 0
    private(set) var directories: [Int: [String: Int]] = [root: [:]]
    var files: [Int: File] = [:]
    private(set) var pendingEntries: [EntryChange] = []
    private var nodeCount = 1

    init() {}

    /// The tree at `path`, all of it durable.
    init(path: String) throws {
        try read(path, into: Self.root)
    }

    private mutating func read(_ path: String, into directory: Int) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() {
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: path + "/" + name, isDirectory: &isDirectory)
            let node = add(directory: isDirectory.boolValue)
            directories[directory]![name] = node
            if isDirectory.boolValue {
                try read(path + "/" + name, into: node)
            } else {
                let bytes = [UInt8](try Data(contentsOf: URL(filePath: path + "/" + name)))
                let used = (bytes.lastIndex { $0 != 0 } ?? -1) + 1
                files[node] = File(bytes: Array(bytes[..<used]), sizeBytes: bytes.count)
            }
        }
    }

    mutating func add(directory: Bool) -> Int {
        if directory { directories[nodeCount] = [:] } else { files[nodeCount] = File() }
        nodeCount += 1
        return nodeCount - 1
    }

    func node(at path: some Collection<String>) -> Int? {
        path.reduce(Self.root as Int?) { node, name in node.flatMap { directories[$0]?[name] } }
    }

    /// Every file below the root.
    var paths: [(path: String, node: Int)] {
        func below(_ directory: Int, _ prefix: String) -> [(path: String, node: Int)] {
            directories[directory]!.sorted { $0.key < $1.key }.flatMap { name, node in
                directories[node] == nil ? [(prefix + "/" + name, node)] : below(node, prefix + "/" + name)
            }
        }
        return below(Self.root, "")
    }

    mutating func apply(_ change: EntryChange) {
        for (directory, name, node) in change.entries { directories[directory]![name] = node }
    }

    // MARK: Replay

    mutating func replay(_ event: DiskEvent) {
        switch event {
        case .change(let change): files[change.node]!.pending.append(change)
        case .entries(let change): pendingEntries.append(change)
        case .syncedChange(let node, let id): files[node]!.sync { $0.id == id }
        case .synced(let node, let before):
            if directories[node] == nil {
                files[node]!.sync { $0.id < before }
            } else {
                syncDirectory(node, before)
            }
        case .acknowledged: break
        }
    }

    private mutating func syncDirectory(_ directory: Int, _ before: Int) {
        for change in pendingEntries where change.id < before {
            guard change.entries.contains(where: { $0.directory == directory }) else { continue }
            apply(change)
            // What happened to the same names earlier is over.
            for index in pendingEntries.indices where pendingEntries[index].id <= change.id {
                pendingEntries[index].entries.removeAll { entry in
                    change.entries.contains { $0.directory == entry.directory && $0.name == entry.name }
                }
            }
        }
        pendingEntries.removeAll(where: \.entries.isEmpty)
    }

    // MARK: Crash

    /// How much of what was not synced is on the disk when the power goes.
    enum Loss: CustomStringConvertible {
        case everything, nothing
        /// Each piece of a write, cut at multiples of a size (or whole, if nil), is there with a chance in percent; so
        /// is each change of size or name. What is left of a file that is mapped into memory is anybody's guess.
        case some(pieceBytes: Int?, keptPercent: Int)

        var description: String {
            switch self {
            case .everything: "all lost"
            case .nothing: "nothing lost"
            case .some(let piece, let percent): "\(percent) % kept in pieces of \(piece.map(String.init) ?? "a write")"
            }
        }
    }

    /// Writes the tree as it is found after the power came back.
    func crash(_ loss: Loss, _ random: inout SeededRandom, into path: String) throws {
        var disk = self
        for change in kept(pendingEntries, loss, &random) { disk.apply(change) }
        try disk.write(Self.root, path, loss, &random)
    }

    private func kept<Change>(_ changes: [Change], _ loss: Loss, _ random: inout SeededRandom) -> [Change] {
        switch loss {
        case .everything: return []
        case .nothing: return changes
        case .some(_, let percent): return changes.filter { _ in Int.random(in: 0..<100, using: &random) < percent }
        }
    }

    private func write(_ directory: Int, _ path: String, _ loss: Loss, _ random: inout SeededRandom) throws {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw TraceFailure(description: "cannot make \(path)") }
        for (name, node) in directories[directory]!.sorted(by: { $0.key < $1.key }) {
            let child = path + "/" + name
            guard var file = files[node] else {
                try write(node, child, loss, &random)
                continue
            }
            for change in kept(file.pieces(loss), loss, &random) { file.apply(change) }
            if name == "lock.mdb", case .some = loss {
                file.bytes = (0..<min(file.sizeBytes, 8192)).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            try file.write(to: child)
        }
    }
}

extension Disk.File {
    mutating func apply(_ change: FileChange) {
        switch change.kind {
        case .write(let offset, let written):
            let end = offset + written.count
            if bytes.count < end { bytes += [UInt8](repeating: 0, count: end - bytes.count) }
            bytes.replaceSubrange(offset..<end, with: written)
            sizeBytes = max(sizeBytes, end)
        case .grow(let size): sizeBytes = max(sizeBytes, size)
        case .cut(let size):
            if bytes.count > size { bytes.removeSubrange(size...) }
            sizeBytes = size
        }
    }

    mutating func sync(_ isMeant: (FileChange) -> Bool) {
        for change in pending where isMeant(change) { apply(change) }
        pending.removeAll(where: isMeant)
    }

    fileprivate func pieces(_ loss: Disk.Loss) -> [FileChange] {
        guard case .some(let pieceBytes?, _) = loss else { return pending }
        return pending.flatMap { change -> [FileChange] in
            guard case .write(let offset, let bytes) = change.kind else { return [change] }
            var pieces: [FileChange] = []
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + pieceBytes - (offset + start) % pieceBytes)
                var piece = change
                piece.kind = .write(offset: offset + start, bytes: Array(bytes[start..<end]))
                pieces.append(piece)
                start = end
            }
            return pieces
        }
    }

    fileprivate func write(to path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(file) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + written, $0.count - written) }
            guard count > 0 else { throw TraceFailure(description: "cannot write \(path): errno \(errno)") }
            written += count
        }
        guard ftruncate(file, off_t(sizeBytes)) == 0 else { throw TraceFailure(description: "cannot size \(path)") }
    }
}
