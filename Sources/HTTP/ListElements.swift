import Primitives

/// The elements of a comma-separated list (RFC 9110 5.6.1), without blanks around them and without empty ones. Commas
/// inside quoted strings do not separate.
struct ListElements {
    private var offset: Int
    private let end: Int
    private let separator: UInt8

    init(from start: Int, to end: Int, separator: UInt8 = ASCII.comma) {
        offset = start
        self.end = end
        self.separator = separator
    }

    /// The next element's offsets; nil after the last one. Give it the bytes that it was made for.
    mutating func next(_ bytes: RawSpan) -> Range<Int>? {
        while offset < end {
            let start = bytes.endOfBlanks(from: offset, to: end)
            var stop = start
            var isQuoted = false
            while stop < end {
                let byte = bytes.byte(stop)
                if isQuoted, byte == ASCII.backslash {
                    stop = min(stop + 2, end)
                    continue
                }
                if byte == ASCII.quote { isQuoted.toggle() }
                if byte == separator, !isQuoted { break }
                stop += 1
            }
            offset = stop + 1
            let trimmed = bytes.trimmedEnd(from: start, to: stop)
            if trimmed > start { return start..<trimmed }
        }
        return nil
    }
}
