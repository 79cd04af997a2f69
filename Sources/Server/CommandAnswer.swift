import FoundationEssentials

/// An HTTP/1.1 answer as far as commands need it.
package struct CommandAnswer: Equatable, Sendable {
    package let status: Int
    /// Without parameters, in lower case; empty if there is none.
    package let mediaType: String
    package let body: [UInt8]
    /// Nil unless the field gives seconds.
    package var retryAfterSeconds: Int?

    /// The final answer at the start of `bytes`; nil if more must come first. `isWhole`: nothing more will come.
    package static func parse(_ bytes: [UInt8], isWhole: Bool) throws(CommandClientError) -> CommandAnswer? {
        var rest = bytes[...]
        while let end = headEnd(of: rest) {
            guard let head = AnswerHead(rest[..<end]) else { throw .malformedAnswer }
            rest = rest[end...]
            if head.status < 200 { continue }
            guard let body = try body(head, rest, isWhole: isWhole) else { return nil }
            return CommandAnswer(
                status: head.status, mediaType: head.mediaType, body: body, retryAfterSeconds: head.retryAfterSeconds)
        }
        guard rest.isEmpty || "HTTP/1.".utf8.starts(with: rest.prefix(7)) else { throw .malformedAnswer }
        return nil
    }

    /// The index after the blank line that ends a head.
    static func headEnd(of bytes: ArraySlice<UInt8>) -> Int? {
        var index = bytes.startIndex
        while let feed = bytes[index...].firstIndex(of: 0x0a) {
            let line = bytes[index..<feed]
            index = feed + 1
            if line.isEmpty || line.elementsEqual([0x0d]) { return index }
        }
        return nil
    }

    private static func body(
        _ head: AnswerHead, _ bytes: ArraySlice<UInt8>, isWhole: Bool
    ) throws(CommandClientError) -> [UInt8]? {
        switch head.framing {
        case .none: return []
        case .length(let length): return bytes.count >= length ? Array(bytes.prefix(length)) : nil
        case .untilClose: return isWhole ? Array(bytes) : nil
        case .chunked: return try unchunked(bytes)
        }
    }

    /// The content of chunks (RFC 9112 7.1); trailers are not read. Nil until the last one is there.
    private static func unchunked(_ bytes: ArraySlice<UInt8>) throws(CommandClientError) -> [UInt8]? {
        var (content, rest) = ([UInt8](), bytes)
        while let feed = rest.firstIndex(of: 0x0a) {
            let digits = rest[..<feed].prefix { $0 != 0x0d && $0 != UInt8(ascii: ";") && $0 != 0x20 }
            guard digits.allSatisfy(\.isLetterOrDigit),
                let size = Int(String(decoding: digits, as: UTF8.self), radix: 16),
                size <= CommandClient.answerBytes
            else { throw .malformedAnswer }
            if size == 0 { return content }
            rest = rest[(feed + 1)...]
            guard rest.count >= size + 2 else { return nil }
            content += rest.prefix(size)
            rest = rest.dropFirst(size)
            guard rest.starts(with: [0x0d, 0x0a]) else { throw .malformedAnswer }
            rest = rest.dropFirst(2)
        }
        return nil
    }
}

/// Status and the fields that say how long the body is and what it holds.
struct AnswerHead {
    enum Framing {
        case none, length(Int), chunked, untilClose
    }

    let status: Int
    private(set) var mediaType = ""
    private(set) var framing = Framing.untilClose
    private(set) var retryAfterSeconds: Int?

    init?(_ bytes: ArraySlice<UInt8>) {
        var lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)[...]
        guard let first = lines.popFirst(), first.hasPrefix("HTTP/1.") else { return nil }
        let parts = first.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[1].utf8.count == 3, parts[1].utf8.allSatisfy(\.isDigit),
            let status = Int(parts[1]),
            status >= 100
        else { return nil }
        self.status = status
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            guard read(line[..<colon].lowercased(), String(line[line.index(after: colon)...].trimmingBlanks())) else {
                return nil
            }
        }
        if status == 204 || status == 304 { framing = .none }
    }

    /// False if the field makes the body's length unclear. Chunks win over a length (RFC 9112 6.3).
    private mutating func read(_ name: String, _ value: String) -> Bool {
        switch (name, framing) {
        case ("content-type", _):
            mediaType = value.prefix { $0 != ";" }.trimmingBlanks().lowercased()
        case ("retry-after", _):
            if value.utf8.allSatisfy(\.isDigit) { retryAfterSeconds = Int(value) }
        case ("transfer-encoding", _):
            guard value.lowercased() == "chunked" else { return false }
            framing = .chunked
        case ("content-length", .chunked): break
        case ("content-length", _):
            guard value.utf8.allSatisfy(\.isDigit), let length = Int(value) else { return false }
            if case .length(let other) = framing, other != length { return false }
            framing = .length(length)
        default: break
        }
        return true
    }
}

extension CommandAnswer {
    /// What an answer to `POST /api/v1/urls` says.
    enum Creation: Equatable {
        case link(String)
        case refused(String)
    }

    var created: Creation {
        struct Link: Decodable { let short_url: String }
        guard (200..<300).contains(status) else { return .refused(refusal) }
        guard let link = try? JSONDecoder().decode(Link.self, from: Data(body)), !link.short_url.isEmpty,
            !link.short_url.unicodeScalars.contains(where: \.isControl)
        else { return .refused("the server answered \(status) without a short URL") }
        return .link(link.short_url)
    }

    /// What an answer that is a problem says of it, for a terminal.
    var refusal: String {
        struct Problem: Decodable { let title, detail: String? }
        let data = Data(body)
        if mediaType == "application/problem+json", let problem = try? JSONDecoder().decode(Problem.self, from: data) {
            let parts = [problem.title, problem.detail].compactMap(\.self).filter { !$0.isEmpty }
            if !parts.isEmpty { return parts.map { legible($0, scalars: 400) }.joined(separator: ": ") }
        }
        return "the server answered \(status)"
    }
}
