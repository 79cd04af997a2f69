import Foundation
import Server
import Synchronization
import Testing

/// The built program, as a user has it: it stands beside the tests' own executable.
private let binary = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appending(path: "edge")

private struct Outcome: Equatable {
    var status: Int32
    var output: String
    var error: String
}

private func run(_ arguments: [String], of executable: URL = binary) throws -> Outcome {
    let (process, output, error) = (Process(), Pipe(), Pipe())
    process.executableURL = executable
    process.arguments = arguments
    (process.standardOutput, process.standardError) = (output, error)
    try process.run()
    let printed = try output.fileHandleForReading.readToEnd() ?? Data()
    let said = try error.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationReason == .exit)
    return Outcome(
        status: process.terminationStatus, output: String(decoding: printed, as: UTF8.self),
        error: String(decoding: said, as: UTF8.self))
}

@Suite(.serialized) struct BinaryTests {
    private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result {
        let file = FileManager.default.temporaryDirectory.appending(path: "edge-\(UUID().uuidString).conf")
        try Data(text.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try body(file.path())
    }

    @Test func version() throws {
        #expect(try run(["--version"]) == Outcome(status: 0, output: "edge 0.1.0\n", error: ""))
    }

    @Test func help() throws {
        #expect(try run(["help"]) == Outcome(status: 0, output: CommandName.overview, error: ""))
        for name in CommandName.allCases {
            #expect(try run(["help", name.rawValue]) == Outcome(status: 0, output: name.help, error: ""))
            if name != .help { #expect(try run([name.rawValue, "--help"]).output == name.help) }
        }
    }

    @Test(arguments: [
        [], ["backup"], ["serve", "x"], ["create"], ["verify"], ["help", "nothing"], ["--version", "x"],
    ])
    func wrongUsage(arguments: [String]) throws {
        let outcome = try run(arguments)
        #expect(outcome.status == 64)
        #expect(outcome.output.isEmpty)
        #expect(outcome.error.hasPrefix("edge"))
    }

    @Test func checkPrintsWhatIsInEffect() throws {
        try withFile("node = 3\nlisten = 0.0.0.0:80\n") { path in
            let outcome = try run(["check", "--config", path, "--node", "4", "--workers=1"])
            let expected = try Configuration.load(
                file: nil, flags: [("node", "4"), ("listen", "0.0.0.0:80"), ("workers", "1")])
            #expect(outcome == Outcome(status: 0, output: expected.text, error: ""))
            let again = try withFile(outcome.output) { try run(["check", "--config", $0]) }
            #expect(again == outcome)
        }
    }

    @Test(arguments: ["check", "serve"])
    func wrongConfiguration(command: String) throws {
        try withFile("node = 3\nlisen = 0.0.0.0:80\nworkers = 0\n") { path in
            let error = """
                \(path):2: lisen: unknown key; did you mean listen?
                \(path):3: workers: "0" is not a number from 1 to 256; write one, or auto for one thread a core
                --node: "x" is not a number from 0 to 15; write one such as 0

                """
            let outcome = try run([command, "--config", path, "--node", "x"])
            #expect(outcome == Outcome(status: 78, output: "", error: error))
        }
    }

    @Test func unreadableFiles() throws {
        for (path, problem) in [
            ("/nonexistent/edge.conf", "No such file or directory"), ("/", "Is a directory"),
            ("/dev/zero", "more than 1MiB"),
        ] {
            let outcome = try run(["check", "--config", path])
            #expect(outcome.status == 78)
            #expect(outcome.error.hasPrefix("\(path): ") && outcome.error.contains(problem), "\(outcome)")
        }
    }

    /// Nobody reads the output: an ordinary failure, no signal.
    @Test func closedOutput() throws {
        var ends: [Int32] = [0, 0]
        try #require(
            socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        close(ends[0])
        let process = Process()
        process.executableURL = binary
        process.arguments = ["help"]
        process.standardOutput = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit)
        #expect(process.terminationStatus == 1)
    }

    @Test func missingStreams() throws {
        let shell = URL(filePath: "/bin/sh")
        let outcome = try run(["-c", "\"$0\" check 0<&- 1>&- 2>&-; echo $?", binary.path()], of: shell)
        #expect(outcome == Outcome(status: 0, output: "0\n", error: ""))
        let bytes = try run(["-c", "\"$0\" serve --data \"$(printf '\\377')\"", binary.path()], of: shell)
        #expect(bytes == Outcome(status: 64, output: "", error: "edge: argument 3 is not UTF-8\n"))
    }
}

/// A server on loopback that answers one connection with what it is given.
private final class OneAnswerServer: Sendable {
    let port: UInt16
    private let received = Mutex("")

    var request: String { received.withLock { $0 } }

    init(_ answer: String) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) | listen(listener, 1) | getsockname(listener, $0, &size)
            }
        }
        try #require(status == 0)
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in serve(listener, answer) }
    }

    private func serve(_ listener: Int32, _ answer: String) {
        let connection = accept(listener, nil, nil)
        close(listener)
        var (text, buffer) = ("", [UInt8](repeating: 0, count: 65_536))
        while !text.contains("}") {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { break }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        received.withLock { $0 = text }
        _ = Array(answer.utf8).withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
        close(connection)
    }
}

@Suite(.serialized) struct CreateTests {
    @Test func printsTheShortURL() throws {
        let body = #"{"short_code":"1abcdef","short_url":"http://h/1abcdef","title":null}"#
        let server = try OneAnswerServer("HTTP/1.1 201 Created\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        let outcome = try run([
            "create", "https://example.org/é?a=\"b\"", "--alias", "my-link", "--expires-in", "60", "--server",
            "http://127.0.0.1:\(server.port)",
        ])
        #expect(outcome == Outcome(status: 0, output: "http://h/1abcdef\n", error: ""))
        let json = #"{"custom_alias":"my-link","expires_in":60,"long_url":"https://example.org/é?a=\"b\""}"#
        #expect(
            server.request
                == "POST /api/v1/urls HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\nUser-Agent: edge/0.1.0\r\n"
                + "Accept: application/json, application/problem+json\r\nConnection: close\r\n"
                + "Content-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n\r\n\(json)")
    }

    @Test func onlyWhatIsGivenIsSent() throws {
        let server = try OneAnswerServer("HTTP/1.1 201 Created\r\n\r\n{\"short_url\":\"http://h/x\"}")
        #expect(
            try run(["create", "http://a", "--server", "http://127.0.0.1:\(server.port)"]).output == "http://h/x\n")
        #expect(server.request.hasSuffix("\r\n\r\n{\"long_url\":\"http://a\"}"))
    }

    /// What a server may answer instead, and what is said of it.
    @Test(arguments: [
        (
            "HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\n\r\n"
                + #"{"title":"Alias taken","detail":"my-link belongs\nto another link","code":"alias-taken"}"#,
            "Alias taken: my-link belongs\u{fffd}to another link"
        ),
        ("HTTP/1.1 503 X\r\nContent-Type: application/problem+json\r\n\r\n{\"title\":\"Overloaded\"}", "Overloaded"),
        ("HTTP/1.1 503 X\r\nContent-Type: application/problem+json\r\n\r\n{}", "the server answered 503"),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<p>", "the server answered 502"),
        ("HTTP/1.1 200 OK\r\n\r\n{}", "the server answered 200 without a short URL"),
        ("HTTP/1.1 201 X\r\n\r\n{\"short_url\":\"a\\u001bb\"}", "the server answered 201 without a short URL"),
        ("SSH-2.0-OpenSSH\r\n", "http://127.0.0.1:PORT: the answer is not HTTP/1.1"),
        (
            "HTTP/1.1 201 X\r\nContent-Length: 9\r\n\r\n{",
            "http://127.0.0.1:PORT: the connection ended before the answer did"
        ),
    ])
    func refused(answer: String, expected: String) throws {
        let server = try OneAnswerServer(answer)
        let outcome = try run(["create", "http://a", "--server", "http://127.0.0.1:\(server.port)"])
        let message = expected.replacing("PORT", with: "\(server.port)")
        #expect(outcome == Outcome(status: 1, output: "", error: "edge create: \(message)\n"))
    }

    /// A port that was just free: nothing listens there.
    @Test func nobodyThere() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) | getsockname(listener, $0, &size)
            }
        }
        try #require(status == 0)
        let server = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        let outcome = try run(["create", "http://a", "--server", server])
        let message = "edge create: \(server): no connection: Connection refused; is edge serve running there?\n"
        #expect(outcome == Outcome(status: 1, output: "", error: message))
    }
}
