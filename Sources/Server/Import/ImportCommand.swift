import Glibc
import Import
import Primitives

/// `edge import`: reads links of any format, and has a running node make them. Returns the exit status.
package func runImport(_ request: ImportRequest) -> Int32 {
    func failed(_ message: String) -> Int32 {
        StandardStream.error.write("edge import: \(message)\n")
        return ExitStatus.failed
    }
    do {
        var moving = try ImportCommand(request)
        do { try moving.run() } catch {
            moving.endProgress()
            let reason =
                switch error {
                case let error as ImportError: error.message
                case let error as CommandClientError: "http://\(request.server): \(error)"
                default: "\(error)"
                }
            return failed(reason + moving.advice)
        }
        moving.endProgress()
        guard StandardStream.output.write(moving.summary + "\n") else { return ExitStatus.failed }
        return moving.hasRejected ? ExitStatus.failed : ExitStatus.done
    } catch {
        return failed("\(error)")
    }
}

/// Why an import or an export stops.
struct MoveError: Error, CustomStringConvertible {
    let description: String
}

/// One run of `edge import`: rows are read as the node takes them, and its results as they come.
private struct ImportCommand {
    private static let pieceBytes = 65_536

    private let request: ImportRequest
    private let client: CommandClient
    private var input: FileInput
    private var reader: ImportReader
    private var hasEnded = false
    /// Rows in it, those before the first line that is wanted too.
    private var hasRows = false
    /// Rows that are not told of, in order: such as were sent, and, with the reason, such as cannot be.
    private var awaited: [(line: Int, refusal: String?)] = []
    private var firstAwaited = 0
    /// Of the row that was told of last.
    private var lastLine = 0
    private var resultBytes: [UInt8] = []
    private var (created, existing, rejected) = (0, 0, 0)
    private let rejectedFile: Int32
    private var progress: Progress

    init(_ request: ImportRequest) throws {
        self.request = request
        client = CommandClient(server: request.server, key: try HeldKey.read(file: request.keyFile))
        input = try FileInput(request.file)
        reader = ImportReader(request.format)
        progress = Progress(totalBytes: input.sizeBytes)
        rejectedFile =
            try request.rejectedFile.map { (path) throws in
                let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
                guard descriptor >= 0 else {
                    throw MoveError(description: "\(path): \(String(cString: strerror(errno)))")
                }
                return descriptor
            } ?? StandardStream.error.rawValue
    }

    var hasRejected: Bool { rejected > 0 }

    var summary: String {
        "\(created) \(request.isDryRun ? "would be created" : "created"), \(existing) there already, \(rejected) rejected"
    }

    /// How to go on behind what is known to be done.
    var advice: String {
        lastLine < request.firstLine ? "" : "\n\(summary); go on with --from \(lastLine + 1)"
    }

    func endProgress() { progress.end() }

    mutating func run() throws {
        // The two closures work on the same state, one at a time.
        let shared = Shared(self)
        defer { self = shared.command }
        let target = "/api/v1/urls/import" + (request.isDryRun ? "?dry_run=true" : "")
        let answer = try client.stream(
            "POST", target, body: ("application/x-ndjson", { try shared.command.nextPiece() }),
            take: { try shared.command.take($0) })
        if let refusal = answer.refusal { throw MoveError(description: "http://\(client.server): \(refusal.refusal)") }
        guard shared.command.firstAwaited == shared.command.awaited.count else {
            throw CommandClientError.malformedAnswer
        }
    }

    private final class Shared {
        var command: ImportCommand
        init(_ command: ImportCommand) { self.command = command }
    }

    // MARK: Rows

    /// Lines of the next rows that can be sent; nil at the end.
    private mutating func nextPiece() throws -> [UInt8]? {
        var lines: [UInt8] = []
        while lines.isEmpty {
            if hasEnded { return nil }
            let bytes = try input.read(atMost: Self.pieceBytes)
            hasEnded = bytes.isEmpty
            let rows = try hasEnded ? reader.finish() : reader.read(bytes)
            hasRows = hasRows || !rows.isEmpty
            // A file of another kind than its user thinks looks like this; nobody shall take that for an import.
            if hasEnded, !hasRows { throw MoveError(description: "\(request.file): \(request.format.absence)") }
            for row in rows where row.line >= request.firstLine {
                switch row.result {
                case .success(let link):
                    lines.append(ndjson: link)
                    awaited.append((row.line, nil))
                case .failure(let refusal): awaited.append((row.line, refusal.message))
                }
            }
            try tellUnsent()
            progress.show(readBytes: input.readBytes, rows: created + existing + rejected, rejected: rejected)
        }
        return lines
    }

    /// Rows that are next and were not sent.
    private mutating func tellUnsent() throws {
        while firstAwaited < awaited.count, let refusal = awaited[firstAwaited].refusal {
            lastLine = awaited[firstAwaited].line
            firstAwaited += 1
            try reject(lastLine, nil, refusal)
        }
    }

    // MARK: Results

    private mutating func take(_ bytes: [UInt8]) throws {
        resultBytes += bytes
        var start = resultBytes.startIndex
        while let end = resultBytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            try takeResult(Array(resultBytes[start..<end]))
            start = end + 1
        }
        resultBytes.removeFirst(start)
        // What was answered is forgotten now and then.
        if firstAwaited > 65_536 {
            awaited.removeFirst(firstAwaited)
            firstAwaited = 0
        }
        progress.show(readBytes: input.readBytes, rows: created + existing + rejected, rejected: rejected)
    }

    private mutating func takeResult(_ line: [UInt8]) throws {
        guard firstAwaited < awaited.count, case .object(let members)? = try? JSONValue(line),
            case .string(let status)? = members["status"]
        else { throw CommandClientError.malformedAnswer }
        lastLine = awaited[firstAwaited].line
        firstAwaited += 1
        var code: String?
        if case .string(let text)? = members["short_code"] { code = text }
        var problem: String?
        if case .object(let parts)? = members["problem"], case .string(let detail)? = parts["detail"] {
            problem = detail
        }
        switch status {
        case "created", "would-create":
            created += 1
            if let problem { StandardStream.error.write("line \(lastLine): \(legible(problem, scalars: 400))\n") }
        case "exists": existing += 1
        case "rejected": try reject(lastLine, code, problem ?? "no reason is given")
        default: throw CommandClientError.malformedAnswer
        }
        try tellUnsent()
    }

    private mutating func reject(_ line: Int, _ code: String?, _ reason: String) throws {
        rejected += 1
        let name = code.map { " \(legible($0, scalars: 64)):" } ?? ""
        let bytes = Array("line \(line):\(name) \(legible(reason, scalars: 400))\n".utf8)
        progress.hide()
        guard bytes.withUnsafeBytes({ write(rejectedFile, $0.baseAddress, $0.count) }) == bytes.count else {
            throw MoveError(description: "rejected rows cannot be written: \(String(cString: strerror(errno)))")
        }
    }
}

/// A file, or standard input, read piece by piece.
private struct FileInput {
    private let descriptor: Int32
    private let path: String
    private(set) var readBytes = 0
    /// Nil if it is no file.
    let sizeBytes: Int?

    init(_ path: String) throws {
        self.path = path
        descriptor = path == "-" ? 0 : open(path, O_RDONLY | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
            throw MoveError(description: "\(path): \(String(cString: strerror(errno)))")
        }
        sizeBytes = status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
    }

    /// Nothing at the end.
    mutating func read(atMost limit: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        while true {
            let count = Glibc.read(descriptor, &bytes, limit)
            if count >= 0 {
                readBytes += count
                return Array(bytes[..<count])
            }
            guard errno == EINTR else { throw MoveError(description: "\(path): \(String(cString: strerror(errno)))") }
        }
    }
}

/// A line on the terminal that says how far it has come; nothing where standard error is no terminal.
private struct Progress {
    private static let intervalMilliseconds: Int64 = 200
    private let isShown = isatty(StandardStream.error.rawValue) == 1
    private let totalBytes: Int?
    private var next: Int64 = 0

    init(totalBytes: Int?) { self.totalBytes = totalBytes }

    mutating func show(readBytes: Int, rows: Int, rejected: Int) {
        guard isShown, case let now = monotonicMilliseconds(), now >= next else { return }
        next = now + Self.intervalMilliseconds
        let share = totalBytes.map { $0 > 0 ? "\(min(100, readBytes * 100 / $0)) %, " : "" } ?? ""
        StandardStream.error.write("\r\u{1B}[K\(share)\(rows) rows, \(rejected) rejected")
    }

    /// Makes room for a line.
    mutating func hide() {
        end()
        next = 0
    }

    func end() { if isShown { StandardStream.error.write("\r\u{1B}[K") } }
}
