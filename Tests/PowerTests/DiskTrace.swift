import Foundation

/// What happened to a directory tree, and what was promised meanwhile, in the order of a trace. Changes have ascending
/// ids; nodes are files and directories, whatever their names.
enum DiskEvent {
    /// From here on the change may be on the disk.
    case change(FileChange)
    case entries(EntryChange)
    /// What had changed of the node before the id is on the disk.
    case synced(node: Int, before: Int)
    /// A write through a descriptor that syncs (O_DSYNC) is on the disk.
    case syncedChange(node: Int, id: Int)
    /// 201 was said: code to destination.
    case acknowledged([String: String])
}

struct FileChange {
    enum Kind {
        case write(offset: Int, bytes: [UInt8])
        /// The file has at least this size.
        case grow(sizeBytes: Int)
        case cut(sizeBytes: Int)
    }

    var id: Int
    var node: Int
    var kind: Kind
}

/// Names that come, go and move in one step.
struct EntryChange {
    var id: Int
    var entries: [(directory: Int, name: String, node: Int?)]
}

/// A directory tree at the start of a trace and all that happened to it.
struct DiskTrace {
    private(set) var start: Disk
    var events: [DiskEvent] = []
    /// Nodes that were ever named `data.mdb`.
    private(set) var storeNodes: Set<Int> = []

    private struct Opened {
        var node: Int
        var position = 0
        var syncs: Bool
    }

    private let rootPath: String
    private var live: Disk
    private var opened: [Int: Opened] = [:]
    private var nextID = 0
    private var beganBefore: [Int: Int] = [:]

    /// `start`: the tree at `rootPath` before the calls.
    init(_ start: Disk, rootPath: String, _ calls: [SystemCall]) throws {
        (self.start, live, self.rootPath) = (start, start, rootPath)
        storeNodes = Set(start.paths.filter { $0.path.hasSuffix("/data.mdb") }.map(\.node))
        var steps: [(line: Int, call: Int, isEnd: Bool)] = []
        for (index, call) in calls.enumerated() {
            steps.append((call.began, index, false))
            if let ended = call.ended { steps.append((ended, index, true)) }
        }
        steps.sort { ($0.line, $0.call, $0.isEnd ? 1 : 0) < ($1.line, $1.call, $1.isEnd ? 1 : 0) }
        for step in steps {
            if step.isEnd { try end(calls[step.call], step.call) } else { try begin(calls[step.call], step.call) }
        }
    }

    // MARK: What a call does as soon as it begins

    private mutating func begin(_ call: SystemCall, _ index: Int) throws {
        beganBefore[index] = nextID
        switch call.name {
        case "close": opened[call.integer(0) ?? -1] = nil
        case "fdatasync", "fsync": break
        case "openat", "open": try beginOpen(call)
        case "sendto": acknowledge(call)
        case "mkdir": try make(path(call, 0), directory: true, call)
        case "unlink", "rmdir": try unlink(call)
        case "rename": try rename(call)
        case "write", "writev", "pwrite64", "pwritev": try write(call)
        case "lseek": if let result = call.result, result >= 0 { opened[call.integer(0) ?? -1]?.position = result }
        case "ftruncate":
            if call.isDone, let file = opened[call.integer(0) ?? -1] {
                let size = call.integer(1)!
                change(
                    file.node, size < live.files[file.node]!.sizeBytes ? .cut(sizeBytes: size) : .grow(sizeBytes: size))
            }
        case "fallocate":
            if call.isDone, let file = opened[call.integer(0) ?? -1] {
                guard call.arguments[1] == "0" else { throw TraceFailure(description: "fallocate with a mode") }
                change(file.node, .grow(sizeBytes: call.integer(2)! + call.integer(3)!))
            }
        default:
            let path = call.strings.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
            if opened[call.integer(0) ?? -1] != nil || path.hasPrefix(rootPath) {
                throw TraceFailure(description: "the model of the disk does not know \(call.name)")
            }
        }
    }

    private mutating func beginOpen(_ call: SystemCall) throws {
        guard call.isDone, let path = inside(path(call, 0)) else { return }
        let flags = call.arguments.dropFirst(2).first ?? ""
        if let node = live.node(at: path) {
            if flags.contains("O_TRUNC"), live.files[node]!.sizeBytes > 0 { change(node, .cut(sizeBytes: 0)) }
        } else if flags.contains("O_CREAT") {
            try make(self.path(call, 0), directory: false, call)
        }
    }

    private mutating func make(_ path: String, directory: Bool, _ call: SystemCall) throws {
        guard call.isDone, let path = inside(path) else { return }
        let (parent, name) = try place(path)
        let node = live.add(directory: directory)
        _ = start.add(directory: directory)
        if name == "data.mdb" { storeNodes.insert(node) }
        change([(parent, name, node)])
    }

    private mutating func unlink(_ call: SystemCall) throws {
        guard call.isDone, let path = inside(path(call, 0)) else { return }
        let (parent, name) = try place(path)
        change([(parent, name, nil)])
    }

    private mutating func rename(_ call: SystemCall) throws {
        guard call.isDone, let from = inside(path(call, 0)), let to = inside(path(call, 1)) else { return }
        let (source, target) = (try place(from), try place(to))
        change([(source.parent, source.name, nil), (target.parent, target.name, live.node(at: from))])
    }

    private mutating func write(_ call: SystemCall) throws {
        let descriptor = call.integer(0) ?? -1
        guard let file = opened[descriptor], let result = call.result, result > 0 else { return }
        var offset = file.position
        if call.name.hasPrefix("p") {
            guard let last = Int(call.arguments.last!) else { throw TraceFailure(description: "a write without place") }
            offset = last
        } else {
            opened[descriptor]!.position += result
        }
        change(file.node, .write(offset: offset, bytes: Array(call.strings.joined().prefix(result))))
    }

    // MARK: What a call has done once it is back

    private mutating func end(_ call: SystemCall, _ index: Int) throws {
        guard call.isDone else { return }
        let descriptor = call.integer(0) ?? -1
        switch call.name {
        case "openat", "open":
            guard let path = inside(path(call, 0)), let node = live.node(at: path) else { return }
            let flags = call.arguments.dropFirst(2).first ?? ""
            opened[call.result!] = Opened(node: node, syncs: flags.contains("O_DSYNC") || flags.contains("O_SYNC"))
        case "fdatasync", "fsync":
            if let file = opened[descriptor] { events.append(.synced(node: file.node, before: beganBefore[index]!)) }
        case "write", "writev", "pwrite64", "pwritev":
            if let file = opened[descriptor], file.syncs {
                events.append(.syncedChange(node: file.node, id: beganBefore[index]!))
            }
        default: break
        }
    }

    // MARK: Parts

    private mutating func change(_ node: Int, _ kind: FileChange.Kind) {
        let change = FileChange(id: nextID, node: node, kind: kind)
        nextID += 1
        live.files[node]!.apply(change)
        events.append(.change(change))
    }

    private mutating func change(_ entries: [(directory: Int, name: String, node: Int?)]) {
        let change = EntryChange(id: nextID, entries: entries)
        nextID += 1
        live.apply(change)
        events.append(.entries(change))
    }

    private mutating func acknowledge(_ call: SystemCall) {
        guard var bytes = call.strings.first?.prefix(call.result ?? 0).map({ $0 }) else { return }
        var links: [String: String] = [:]
        while let (answer, sizeBytes) = HTTPAnswers.first(in: bytes) {
            bytes.removeFirst(sizeBytes)
            guard answer.status == 201, let code = answer.member("short_code") else { continue }
            links[code] = answer.member("long_url")
        }
        if !links.isEmpty { events.append(.acknowledged(links)) }
    }

    private func path(_ call: SystemCall, _ index: Int) -> String {
        index < call.strings.count ? String(decoding: call.strings[index], as: UTF8.self) : ""
    }

    /// The names below the root; nil for what lies elsewhere.
    private func inside(_ path: String) -> [String]? {
        guard path == rootPath || path.hasPrefix(rootPath + "/") else { return nil }
        return path.dropFirst(rootPath.count).split(separator: "/").reduce(into: []) { names, name in
            if name == ".." { names.removeLast() } else { names.append(String(name)) }
        }
    }

    private func place(_ path: [String]) throws -> (parent: Int, name: String) {
        guard let name = path.last, let parent = live.node(at: path.dropLast()) else {
            throw TraceFailure(description: "\(path) has no parent")
        }
        return (parent, name)
    }
}
