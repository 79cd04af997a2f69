import Foundation
import Glibc

/// An answer in chunks, line by line as it comes, read apart from the node's own code.
final class LineStream {
    private let client: Client
    private var received: [UInt8] = []
    private var content: [UInt8] = []
    /// The head, in lines.
    private(set) var head: [String] = []
    /// The last chunk has come; what stood behind it.
    private(set) var isWhole = false
    private(set) var trailer = ""
    /// A chunk of the answer each.
    private(set) var chunkCount = 0

    /// How often it was told to send its body.
    private(set) var continueCount = 0

    /// Reads so many whole answers, and the head behind them. Through `client` nothing may have been read before.
    init(_ client: Client, behind earlier: Int = 0) throws {
        self.client = client
        for _ in 0..<earlier {
            while true {
                if let (_, count) = try Answer.parse(received[...], isHead: false) {
                    received.removeFirst(count)
                    break
                }
                guard try receive() else { throw HarnessError("an answer is missing") }
            }
        }
        while true {
            if let end = Answer.headEnd(received[...]) {
                head = String(decoding: received[..<end], as: UTF8.self).components(separatedBy: "\r\n")
                received.removeFirst(end)
                if !head[0].hasPrefix("HTTP/1.1 100") { return }
                continueCount += 1
                continue
            }
            guard try receive() else {
                throw HarnessError("no head came: \(String(decoding: received, as: UTF8.self))")
            }
        }
    }

    var status: Int { head[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0 }

    /// The next line, without its end; nil at the end of the stream, or where it is cut.
    func next() throws -> String? {
        while true {
            if let end = content.firstIndex(of: 0x0A) {
                defer { content.removeFirst(end + 1) }
                return String(decoding: content[..<end], as: UTF8.self)
            }
            if isWhole { return nil }
            if try takeChunk() { continue }
            guard try receive() else { return nil }
        }
    }

    /// All lines that are still to come.
    func rest() throws -> [String] {
        var lines: [String] = []
        while let line = try next() { lines.append(line) }
        return lines
    }

    /// Results of an import, by their members.
    func results() throws -> [[String: Any]] { try rest().map(Self.members) }

    static func members(_ line: String) throws -> [String: Any] {
        guard let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
            throw HarnessError("no object: \(line)")
        }
        return object
    }

    /// False if the next chunk has not come whole.
    private func takeChunk() throws -> Bool {
        guard let end = received.firstIndex(of: 0x0A) else { return false }
        guard let size = Int(String(decoding: received[..<(end - 1)], as: UTF8.self), radix: 16) else {
            throw HarnessError("no size of a chunk: \(String(decoding: received[..<end], as: UTF8.self))")
        }
        if size == 0 {
            let rest = received[(end + 1)...]
            guard rest.suffix(4).elementsEqual([13, 10, 13, 10]) || rest.elementsEqual([13, 10]) else { return false }
            (isWhole, trailer) = (true, String(decoding: rest.dropLast(2), as: UTF8.self))
            return true
        }
        guard received.count >= end + 1 + size + 2 else { return false }
        content += received[(end + 1)..<(end + 1 + size)]
        received.removeFirst(end + 1 + size + 2)
        chunkCount += 1
        return true
    }

    /// False at the end of the connection.
    private func receive() throws -> Bool {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let deadline = Deadline()
        while true {
            let count = recv(client.descriptor, &bytes, bytes.count, 0)
            if count > 0 {
                received += bytes[..<count]
                return true
            }
            if count == 0 || errno == ECONNRESET { return false }
            guard errno == EAGAIN || errno == EINTR else { throw HarnessError(String(cString: strerror(errno))) }
            guard deadline.wait(client.descriptor, for: POLLIN) else { throw HarnessError("nothing came") }
        }
    }
}

extension Client {
    static let importTarget = "/api/v1/urls/import"

    /// Begins an import whose body follows in chunks.
    func beginImport(_ target: String = importTarget, key: String? = nil, _ fields: String = "") throws {
        let key = key.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        try send(
            Self.request(
                "POST", target, key + "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n" + fields))
    }

    static func chunk(_ text: String) -> String { "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n" }

    func sendChunk(_ text: String) throws { try send(Self.chunk(text)) }

    /// Imports lines that are few enough to be sent before anything is read.
    func importLines(
        _ lines: [String], key: String? = nil, _ target: String = importTarget, _ fields: String = ""
    ) throws -> [[String: Any]] {
        try beginImport(target, key: key, fields)
        try sendChunk(lines.map { $0 + "\n" }.joined())
        try send("0\r\n\r\n")
        let stream = try LineStream(self)
        guard stream.status == 200 else { throw HarnessError(stream.head[0]) }
        let results = try stream.results()
        guard stream.isWhole else { throw HarnessError("the results are cut: \(results.count)") }
        return results
    }

    /// All lines of an export.
    func export(_ query: String = "", key: String) throws -> [String] {
        try send(Self.request("GET", "/api/v1/urls/export" + query, "Authorization: Bearer \(key)\r\n"))
        let stream = try LineStream(self)
        guard stream.status == 200 else { throw HarnessError(stream.head[0]) }
        let lines = try stream.rest()
        guard stream.isWhole, stream.trailer.isEmpty else { throw HarnessError("cut: \(stream.trailer)") }
        return lines
    }
}

/// What a result says, in short: its status, and the code of its problem.
func verdict(_ result: [String: Any]) -> String {
    let problem = (result["problem"] as? [String: Any])?["code"] as? String
    return [result["status"] as? String, problem].compactMap(\.self).joined(separator: " ")
}
