import Primitives

/// A URL as block lists know it, `host[:port]/path?query`, in one spelling for all that a browser, and the servers that
/// there are, take for the same: the host in lower case, without a trailing dot, an address in one form; no scheme, no port 80
/// or 443, no fragment; dot segments resolved, a run of slashes one, and percent-encodings of what needs none undone.
///
/// One value may read many, so that judging a million allocates little.
package struct NormalisedURL: Sendable {
    private(set) var bytes: [UInt8] = []
    /// Of the host, which the port or the path follows.
    private(set) var hostEnd = 0
    /// Whether the host is a name, and no address.
    private(set) var isName = false

    package init() {}

    /// Takes the place of what was read before. `url` is the text of a `Destination`, or what `URLParts` take.
    package mutating func read(_ url: [UInt8]) throws(DestinationError) {
        let parts = try URLParts(of: url)
        let host = try Host(in: url, parts).unmapped
        bytes.removeAll(keepingCapacity: true)
        isName = false
        switch host {
        case .name(let name, _):
            isName = true
            bytes += name
        case .ipv4: bytes += host.ascii
        case .ipv6(let address):
            bytes.append(UInt8(ascii: "["))
            for shift in stride(from: 124, through: 0, by: -4) {
                bytes.append(hexDigit(UInt8(truncatingIfNeeded: address >> UInt128(shift)) & 15))
            }
            bytes.append(UInt8(ascii: "]"))
        }
        hostEnd = bytes.count
        appendPort(url[parts.host.upperBound..<parts.authorityEnd])
        appendPath(url, from: parts.authorityEnd)
    }

    private mutating func appendPort(_ text: ArraySlice<UInt8>) {
        let port = text.dropFirst().reduce(0) { $0 * 10 + Int($1 - ASCII.zero) }
        if port == 0 || port == 80 || port == 443 { return }
        bytes.append(ASCII.colon)
        bytes += String(port).utf8
    }

    private mutating func appendPath(_ url: [UInt8], from start: Int) {
        let path = bytes.count
        bytes.append(ASCII.slash)
        var segment = bytes.count
        var index = start
        var isQuery = false
        if index < url.count, url[index] == ASCII.slash { index += 1 }
        while index < url.count, url[index] != ASCII.hash {
            let byte = url[index]
            if !isQuery, byte == ASCII.slash || byte == ASCII.question {
                endSegment(&segment, path, isFollowed: byte == ASCII.slash)
                isQuery = byte == ASCII.question
                if isQuery {
                    mergeSlashes(path)
                    bytes.append(byte)
                }
                index += 1
            } else if byte == ASCII.percent, let decoded = percentDecoded(url, at: index) {
                append(decoded)
                index += 3
            } else {
                bytes.append(byte)
                index += 1
            }
        }
        if isQuery { return }
        endSegment(&segment, path, isFollowed: false)
        mergeSlashes(path)
    }

    /// What a percent-encoding stood for, where a segment of a path may have it as it is; else the encoding. That is more than
    /// what always means the same (RFC 3986 6.2.2.2), but hardly a server tells `%40` from `@`.
    private mutating func append(_ decoded: UInt8) {
        if decoded != ASCII.slash, ASCIISet.path.contains(decoded) { return bytes.append(decoded) }
        bytes.append(ASCII.percent)
        bytes.append(hexDigit(decoded >> 4))
        bytes.append(hexDigit(decoded & 15))
    }

    /// A segment of a path is whole: one or two dots go, two of them with the segment before (RFC 3986 5.2.4).
    private mutating func endSegment(_ start: inout Int, _ path: Int, isFollowed: Bool) {
        let dots = bytes.count - start
        if 1...2 ~= dots, bytes[start] == ASCII.dot, bytes[bytes.count - 1] == ASCII.dot {
            bytes.removeLast(dots)
            if dots == 2, bytes.count - 1 > path {
                repeat { bytes.removeLast() } while bytes[bytes.count - 1] != ASCII.slash
            }
        } else if isFollowed {
            bytes.append(ASCII.slash)
        }
        start = bytes.count
    }

    /// Once dot segments are resolved: until then an empty segment is one that two dots take away.
    private mutating func mergeSlashes(_ path: Int) {
        var end = path + 1
        for index in end..<bytes.count where bytes[index] != ASCII.slash || bytes[end - 1] != ASCII.slash {
            bytes[end] = bytes[index]
            end += 1
        }
        bytes.removeLast(bytes.count - end)
    }
}
