import Primitives

/// What services that know dangerous URLs by hashes have hashed of a URL: up to 30 expressions of a suffix of its host and a
/// prefix of its path (Safe Browsing v4, "URLs and Hashing"). Their way of writing a URL is another than a browser's, and
/// than that of block lists.
package struct LookupExpressions: Sendable {
    private static let hostParts = 5
    private static let pathParts = 4

    /// Without scheme, user and port, in that way: `example.com/path?query`.
    package let url: [UInt8]
    package let expressions: [[UInt8]]

    /// `text` need not be a URL that anything here takes.
    package init(_ text: [UInt8]) {
        let (host, isAddress, path, query) = Self.parts(text)
        url = host + path + (query.map { [ASCII.question] + $0 } ?? [])
        var expressions: [[UInt8]] = []
        let paths = Self.prefixes(path, query)
        for host in isAddress ? [host] : Self.suffixes(host) { expressions += paths.map { host + $0 } }
        self.expressions = expressions
    }

    /// The whole host, and those of its last five parts that have two at least.
    private static func suffixes(_ host: [UInt8]) -> [[UInt8]] {
        let parts = host.split(separator: ASCII.dot, omittingEmptySubsequences: false)
        var suffixes = [host]
        let longest = min(hostParts, parts.count - 1)
        for count in stride(from: longest, through: 2, by: -1) {
            suffixes.append(Array(parts.suffix(count).joined(separator: [ASCII.dot])))
        }
        return suffixes
    }

    /// The whole path with the query and without, and its first parts, of which the first is the root.
    private static func prefixes(_ path: [UInt8], _ query: [UInt8]?) -> [[UInt8]] {
        var prefixes = query.map { [path + [ASCII.question] + $0] } ?? []
        prefixes.append(path)
        let ends = path.indices.filter { path[$0] == ASCII.slash }.prefix(pathParts)
        for end in ends where end < path.count - 1 { prefixes.append(Array(path[...end])) }
        return prefixes
    }

    // MARK: One way of writing a URL

    private static func parts(
        _ text: [UInt8]
    ) -> (host: [UInt8], isAddress: Bool, path: [UInt8], query: [UInt8]?) {
        var rest = text.filter { $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }[...]
        rest = rest.drop { $0 == 0x20 }
        while rest.last == 0x20 { rest = rest.dropLast() }
        var url = unescaped(Array(rest.prefix { $0 != ASCII.hash }))[...]
        if let scheme = url.firstIndex(of: ASCII.colon), url[scheme...].starts(with: "://".utf8),
            url[..<scheme].allSatisfy(ASCIISet.scheme.contains)
        {
            url = url[(scheme + 3)...]
        }
        let end = url.firstIndex { $0 == ASCII.slash || $0 == ASCII.question } ?? url.endIndex
        let (host, isAddress) = Self.host(url[..<end])
        let target = url[end...]
        let question = target.firstIndex(of: ASCII.question)
        let path = Self.path(target[..<(question ?? target.endIndex)])
        return (host, isAddress, path, question.map { escaped(target[($0 + 1)...]) })
    }

    private static func host(_ authority: ArraySlice<UInt8>) -> (host: [UInt8], isAddress: Bool) {
        var host = authority
        if let user = host.lastIndex(of: UInt8(ascii: "@")) { host = host[(user + 1)...] }
        if let colon = host.lastIndex(of: ASCII.colon), host[(colon + 1)...].allSatisfy(ASCII.isDigit) {
            host = host[..<colon]
        }
        let labels = host.split(separator: ASCII.dot)
        let name = labels.joined(separator: [ASCII.dot]).map(ASCII.lowercased)
        if let address = parseIPv4(name) { return (Host.ipv4(address).ascii, true) }
        return (escaped(name[...]), name.first == UInt8(ascii: "["))
    }

    /// Runs of slashes are one, and dot segments are resolved.
    private static func path(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var segments: [ArraySlice<UInt8>] = []
        let all = text.split(separator: ASCII.slash)
        for segment in all {
            if segment.elementsEqual("..".utf8) {
                _ = segments.popLast()
            } else if !segment.elementsEqual(".".utf8) {
                segments.append(segment)
            }
        }
        let last = all.last ?? []
        let isDirectory = text.last == ASCII.slash || last.elementsEqual("..".utf8) || last.elementsEqual(".".utf8)
        var path = [ASCII.slash] + segments.joined(separator: [ASCII.slash])
        if isDirectory, !segments.isEmpty { path.append(ASCII.slash) }
        return escaped(path[...])
    }

    /// Until there is nothing more to undo. Each turn makes the text shorter.
    private static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var text = text
        while true {
            var result: [UInt8] = []
            var index = 0
            while index < text.count {
                if let decoded = percentDecoded(text, at: index) {
                    result.append(decoded)
                    index += 3
                } else {
                    result.append(text[index])
                    index += 1
                }
            }
            if result.count == text.count { return text }
            text = result
        }
    }

    private static func escaped(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        for byte in text {
            if byte <= 0x20 || byte >= 0x7F || byte == ASCII.hash || byte == ASCII.percent {
                result += [ASCII.percent, hexDigit(byte >> 4), hexDigit(byte & 15)]
            } else {
                result.append(byte)
            }
        }
        return result
    }
}
