import Primitives

/// How the cells of a table stand for values.
enum CSVCell {
    /// What programs for spreadsheets take for the beginning of a formula (OWASP, "CSV Injection").
    private static let formulaStarts: Set = [
        UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"), ASCII.tab, ASCII.carriageReturn,
    ]

    /// Whether it begins as a formula does, behind any number of apostrophes.
    private static func isFormula(_ value: ArraySlice<UInt8>) -> Bool {
        value.first { $0 != ASCII.apostrophe }.map(formulaStarts.contains) ?? false
    }

    /// With an apostrophe before what begins as a formula, apostrophes or not: so `unprotected` gives the value
    /// exactly.
    static func protected(_ value: [UInt8]) -> [UInt8] { isFormula(value[...]) ? [ASCII.apostrophe] + value : value }

    static func unprotected(_ cell: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        cell.first == ASCII.apostrophe && isFormula(cell) ? cell.dropFirst() : cell
    }

    /// The code that a cell names, alone or behind a short URL's host: `abc`, `/abc/`, `bit.ly/abc`,
    /// `https://bit.ly/abc?x`. Throws for what has more segments, or none: to keep one of them would make a code that
    /// nobody had.
    static func code(_ cell: String) throws(ImportRefusal) -> String {
        let slash = UInt8(ascii: "/")
        var rest = Array(cell.utf8)[...]
        guard rest.contains(slash) else { return cell }
        var hasHost = rest.prefix { $0 != slash }.contains(UInt8(ascii: "."))
        if let colon = rest.firstIndex(of: UInt8(ascii: ":")), rest[colon...].starts(with: "://".utf8) {
            hasHost = true
            rest = rest[(colon + 3)...]
        }
        if hasHost {
            rest = rest.drop { $0 != slash }.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        }
        let segments = rest.split(separator: slash)
        guard segments.count == 1 else { throw .codeSegments(cell) }
        return String(decoding: segments[0], as: UTF8.self)
    }

    /// The tags of a cell: a JSON array of strings; or else names with separators between them and spaces around. If an
    /// exporter does not say which separator, it is the first that is there of `|`, `;` and `,`.
    static func tags(_ cell: String, joinedByComma: Bool) -> [String] {
        if cell.first == "[", let tags = (try? JSONValue(Array(cell.utf8)))?.strings { return tags }
        let bytes = Array(cell.utf8)
        let candidates = joinedByComma ? [comma] : [UInt8(ascii: "|"), UInt8(ascii: ";"), comma]
        let separator = candidates.first(where: bytes.contains) ?? comma
        return bytes.split(separator: separator).map(trimmed).filter { !$0.isEmpty }
    }

    private static let comma = UInt8(ascii: ",")

    private static func trimmed(_ name: ArraySlice<UInt8>) -> String {
        let start = name.drop { $0 == ASCII.space }
        let end = start.lastIndex { $0 != ASCII.space }.map { $0 + 1 } ?? start.startIndex
        return String(decoding: start[..<end], as: UTF8.self)
    }

    /// A cell that `tags` reads as these tags: with `|` between them, or as JSON if that would be read as others.
    static func cell(_ tags: [String]) -> [UInt8] {
        let joined = tags.joined(separator: "|")
        if self.tags(joined, joinedByComma: false) == tags { return Array(joined.utf8) }
        var json: [UInt8] = []
        json.append(UInt8(ascii: "["))
        for (index, tag) in tags.enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            json.append(jsonString: tag)
        }
        json.append(UInt8(ascii: "]"))
        return json
    }
}
