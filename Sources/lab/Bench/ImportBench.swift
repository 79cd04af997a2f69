import Glibc
import Server

/// How long it takes to move in with many links: `edge import` of a file into an empty node of one region.
struct ImportBench {
    static let options: Set<String> = ["rows"]
    private static let usualRows = 1_000_000

    private let rounds: Rounds
    private let rows: Int

    init(_ options: Options) throws {
        self.init(try Rounds(options), rows: try options.whole("rows", 1...100_000_000) ?? Self.usualRows)
    }

    init(_ rounds: Rounds, rows: Int) { (self.rounds, self.rows) = (rounds, rows) }

    func run() throws {
        let file = ImportFile(rounds.directory.appending("import.ndjson"), names: "m-")
        let bytes = try file.write(rows: rows)
        let node = try EdgeNode(data: rounds.directory.appending("import"))
        defer { node.stop() }
        var seconds: [(name: String, seconds: Double)] = []
        func measure(_ name: String, _ body: () throws -> Void) throws {
            let start = MonotonicClock.nanoseconds
            try body()
            seconds.append((name, Double(MonotonicClock.nanoseconds - start) / 1e9))
        }
        try measure("floor: the file copied, fsync") { try copy(file.path, bytes) }
        let command = [
            try siblingProgram("edge"), "import", "ndjson", file.path, "--server", "http://127.0.0.1:\(node.port)",
        ]
        try measure("edge import") {
            let output = try runToEnd(command)
            guard output == "\(rows) created, 0 there already, 0 rejected\n" else { throw LabError(output) }
        }
        try measure("the same again") {
            let output = try runToEnd(command)
            guard output == "0 created, \(rows) there already, 0 rejected\n" else { throw LabError(output) }
        }
        report(seconds)
    }

    private func report(_ measured: [(name: String, seconds: Double)]) {
        var table = Table(
            "importing \(Figure.grouped(rows)) links, once", ["", "seconds", "rows a second", "of floor"])
        for (name, seconds) in measured {
            table.add([
                name, Figure.number(seconds), Figure.number(Double(rows) / seconds),
                Figure.ratio(seconds / measured[0].seconds),
            ])
        }
        StandardStream.output.write(table.text + "\n")
    }

    private func copy(_ path: String, _ bytes: Int) throws {
        let (source, target) = (
            open(path, O_RDONLY | O_CLOEXEC), open(path + ".copy", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        )
        defer {
            close(source)
            close(target)
            unlink(path + ".copy")
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var copied = 0
        while case let count = read(source, &buffer, buffer.count), count > 0 {
            guard Glibc.write(target, buffer, count) == count else { break }
            copied += count
        }
        guard copied == bytes, fdatasync(target) == 0 else { throw LabError("\(path) cannot be copied") }
    }
}

/// Links to be imported, each with a name.
struct ImportFile {
    let path: String
    private let prefix: String

    /// `names`: what all names begin with.
    init(_ path: String, names prefix: String) { (self.path, self.prefix) = (path, prefix) }

    /// Names in no order, as another shortener's are; the number of bytes.
    func write(rows: Int) throws -> Int {
        guard let file = fopen(path, "w") else { throw LabError("\(path): \(String(cString: strerror(errno)))") }
        defer { fclose(file) }
        var bytes = 0
        for row in 0..<rows {
            let name = prefix + String(UInt64(row) &* 0x9E37_79B9_7F4A_7C15, radix: 36)
            let line =
                #"{"long_url":"https://www.example.com/a/page/of/some/site?number=\#(row)","short_code":"\#(name)","#
                + #""created_at":"2021-03-04T05:06:07Z"}"# + "\n"
            guard fputs(line, file) >= 0 else { throw LabError("\(path): \(String(cString: strerror(errno)))") }
            bytes += line.utf8.count
        }
        return bytes
    }
}
