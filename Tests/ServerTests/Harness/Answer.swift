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
        // A carriage return elsewhere than at the end of a line stays in it, and is refused.
        var lines = bytes[..<(end - 2)].split(separator: 0x0A, omittingEmptySubsequences: false)[...]
        _ = lines.popLast()
        let first = try text(lines.removeFirst())
        guard let match = first.wholeMatch(of: /HTTP\/1\.1 ([1-5]\d\d) [A-Za-z ]+/), let status = Int(match.1) else {
            throw HarnessError("no status line: \(first)")
        }
        let fields = try lines.map { try field($0) }
        let head = Answer(status: status, fields: fields, body: [])
        let length = try head.contentLength(isHead: isHead)
        guard bytes.endIndex - end >= length else { return nil }
        let answer = Answer(status: status, fields: fields, body: Array(bytes[end..<(end + length)]))
        return (answer, end + length - bytes.startIndex)
    }

    /// A line without its end.
    private static func text(_ line: ArraySlice<UInt8>) throws -> String {
        guard line.last == 0x0D, line.dropLast().allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw HarnessError("no line of an answer: \(String(decoding: line, as: UTF8.self))")
        }
        return String(decoding: line.dropLast(), as: UTF8.self)
    }

    /// `name: value`, one space before the value and none behind it.
    private static func field(_ line: ArraySlice<UInt8>) throws -> (name: String, value: String) {
        let text = try text(line)
        let name = text.utf8.prefix { $0 != UInt8(ascii: ":") }
        let value = text.utf8.dropFirst(name.count + 2)
        guard !name.isEmpty, name.allSatisfy({ Character(Unicode.Scalar($0)).isLetter || $0 == UInt8(ascii: "-") }),
            text.utf8.dropFirst(name.count).starts(with: ": ".utf8), let start = value.first, let end = value.last,
            start != 0x20, end != 0x20
        else { throw HarnessError("no field line: \(text)") }
        return (String(Substring(name)).lowercased(), String(Substring(value)))
    }

    private func contentLength(isHead: Bool) throws -> Int {
        if status == 100 { return 0 }
        let lengths = fields.filter { $0.name == "content-length" }.map(\.value)
        guard !fields.contains(where: { $0.name == "transfer-encoding" }), self["date"] != nil else {
            throw HarnessError("fields that should not be so: \(fields)")
        }
        if status == 204 || status == 304 {
            guard lengths.isEmpty else { throw HarnessError("\(status) with a length") }
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
