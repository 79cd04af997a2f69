import Foundation

/// One answer of a node, taken apart as RFC 9112 has it and nothing else let through.
struct Answer {
    let status: Int
    /// Names in lower case.
    let fields: [(name: String, value: String)]
    let body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }

    /// A field that stands there once; nil if it does not.
    subscript(_ name: String) -> String? {
        let values = fields.filter { $0.name == name }
        return values.count == 1 ? values[0].value : nil
    }

    /// The body, an object.
    var object: [String: Any] {
        get throws {
            guard let object = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any] else {
                throw HarnessError("no JSON object: \(text)")
            }
            return object
        }
    }

    func string(_ member: String) throws -> String {
        guard let string = try object[member] as? String else { throw HarnessError("no \(member) in \(text)") }
        return string
    }

    /// Nil if more bytes must come first; with the number of bytes that the answer takes.
    static func parse(_ bytes: ArraySlice<UInt8>, isHead: Bool) throws -> (Answer, count: Int)? {
        guard let end = headEnd(bytes) else { return nil }
        var lines = String(decoding: bytes[..<(end - 4)], as: UTF8.self).components(separatedBy: "\r\n")
        let first = lines.removeFirst()
        guard let match = first.wholeMatch(of: /HTTP\/1\.1 ([1-5]\d\d) [A-Za-z ]+/), let status = Int(match.1) else {
            throw HarnessError("no status line: \(first)")
        }
        let fields = try lines.map { line in
            guard let match = line.wholeMatch(of: /([A-Za-z0-9-]+): ([!-~](?:[ -~]*[!-~])?)/) else {
                throw HarnessError("no field line: \(line)")
            }
            return (name: match.1.lowercased(), value: String(match.2))
        }
        let head = Answer(status: status, fields: fields, body: [])
        let length = try head.contentLength(isHead: isHead)
        guard bytes.endIndex - end >= length else { return nil }
        let answer = Answer(status: status, fields: fields, body: Array(bytes[end..<(end + length)]))
        return (answer, end + length - bytes.startIndex)
    }

    private func contentLength(isHead: Bool) throws -> Int {
        if status == 100 { return 0 }
        let lengths = fields.filter { $0.name == "content-length" }.map(\.value)
        guard !fields.contains(where: { $0.name == "transfer-encoding" }), self["date"] != nil else {
            throw HarnessError("fields that should not be so: \(fields)")
        }
        if status == 204 {
            guard lengths.isEmpty else { throw HarnessError("204 with a length") }
            return 0
        }
        guard lengths.count == 1, let length = Int(lengths[0]), String(length) == lengths[0] else {
            throw HarnessError("lengths: \(lengths)")
        }
        return isHead ? 0 : length
    }

    /// The index behind the first empty line.
    static func headEnd(_ bytes: ArraySlice<UInt8>) -> Int? {
        var start = bytes.startIndex
        while let feed = bytes[start...].firstIndex(of: 0x0A) {
            if feed >= bytes.startIndex + 3, bytes[feed - 1] == 0x0D, bytes[feed - 2] == 0x0A, bytes[feed - 3] == 0x0D {
                return feed + 1
            }
            start = feed + 1
        }
        return nil
    }
}
