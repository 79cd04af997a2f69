/// The values of one row behind VALUES, from its opening parenthesis to its closing one.
///
/// A row that cannot be taken is read to its end without being kept.
struct SQLRow: Sendable {
    /// What the next token may be.
    private enum State: Sendable {
        case value
        /// Behind `x`: the digits of a hexadecimal string.
        case hexadecimal
        case separator
    }

    /// The line of the opening parenthesis, and the place of the byte behind it.
    let line: Int
    let start: Int
    private var state = State.value
    /// Parentheses that are open within the row.
    private var depth = 0
    /// Nil where NULL stands.
    private(set) var values: [[UInt8]?] = []
    private(set) var refusal: ImportRefusal?

    init(line: Int, start: Int) {
        self.line = line
        self.start = start
    }

    /// True if the row ends with `token`.
    mutating func take(_ token: SQLToken) -> Bool {
        if depth > 0 || token == .sign(UInt8(ascii: "(")) { return takeNested(token) }
        if token == .sign(UInt8(ascii: ")")) {
            if state != .separator { refuse(.expression) }
            return true
        }
        switch (state, token) {
        case (.separator, .sign(UInt8(ascii: ","))): state = .value
        case (.value, .string(let bytes)): add(bytes)
        case (.value, .word(let bytes)): takeWord(bytes)
        case (.hexadecimal, .string(let bytes)): addHexadecimal(bytes[...])
        case (.value, _), (.hexadecimal, _), (.separator, _): refuse(.expression)
        }
        return false
    }

    /// The first reason stays.
    mutating func refuse(_ reason: ImportRefusal) {
        refusal = refusal ?? reason
        values = []
    }

    private mutating func takeNested(_ token: SQLToken) -> Bool {
        refuse(.expression)
        if token == .sign(UInt8(ascii: "(")) { depth += 1 }
        if token == .sign(UInt8(ascii: ")")) { depth -= 1 }
        state = .separator
        return false
    }

    private mutating func takeWord(_ word: [UInt8]) {
        let lower = word.map { $0 | 0x20 }
        if lower.elementsEqual("null".utf8) {
            add(nil)
        } else if word.starts(with: "0x".utf8) {
            addHexadecimal(word[2...])
        } else if lower.elementsEqual("x".utf8) {
            state = .hexadecimal
        } else if word.first == UInt8(ascii: "_") || lower.elementsEqual("n".utf8) {
            // The character set of the string that follows. YOURLS' tables hold UTF-8; another is found out by that.
        } else if let first = word.first, first &- ASCII.zero < 10 || first == UInt8(ascii: "-") {
            add(word)
        } else {
            refuse(.expression)
        }
    }

    private mutating func addHexadecimal(_ digits: ArraySlice<UInt8>) {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in digits {
            guard let value = Character(Unicode.Scalar(digit)).hexDigitValue.map(UInt8.init) else {
                return refuse(.hexadecimal)
            }
            if let left = high {
                bytes.append(left << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        if high != nil { return refuse(.hexadecimal) }
        add(bytes)
    }

    private mutating func add(_ value: [UInt8]?) {
        state = .separator
        guard refusal == nil else { return }
        guard values.count < ImportLimits.columns else { return refuse(.tooManyValues) }
        values.append(value)
    }
}
