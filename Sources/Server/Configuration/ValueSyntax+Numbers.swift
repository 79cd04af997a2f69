extension ValueSyntax where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> ValueSyntax {
        ValueSyntax(
            read: { (text) throws(BadValue) in
                guard let number = wholeNumber(text[...]).flatMap({ Int(exactly: $0) }), range.contains(number) else {
                    throw BadValue(
                        problem: "\(quoted(text)) is not a number from \(range.lowerBound) to \(range.upperBound)",
                        remedy: "write one such as \(range.lowerBound)")
                }
                return number
            }, write: { String($0) })
    }

    /// A number of threads, or `auto`.
    static let workers = automatic(
        ConfigurationLimits.workers, Configuration.automaticWorkers, "auto for one thread a core")

    /// A number of connections, or `auto`.
    static let connections = automatic(
        ConfigurationLimits.connections, Configuration.automaticConnections, "auto for what the descriptor limit allows"
    )

    /// A number, or `auto`, which `value` stands for.
    private static func automatic(_ range: ClosedRange<Int>, _ value: Int, _ meaning: String) -> ValueSyntax {
        ValueSyntax(
            read: { (text) throws(BadValue) in
                if text == "auto" { return value }
                guard let number = try? integer(range).read(text) else {
                    throw BadValue(
                        problem: "\(quoted(text)) is not a number from \(range.lowerBound) to \(range.upperBound)",
                        remedy: "write one, or \(meaning)")
                }
                return number
            }, write: { $0 == value ? "auto" : String($0) })
    }

    /// Bytes within `range`, written with their unit.
    static func size(_ range: ClosedRange<Int>) -> ValueSyntax {
        ValueSyntax(
            read: { (text) throws(BadValue) in
                guard let size = sizeBytes(text) else {
                    throw BadValue(
                        problem: "\(quoted(text)) is not a size",
                        remedy: "write a whole number and B, KiB, MiB, GiB or TiB, such as 64MiB")
                }
                guard range.contains(size) else {
                    throw BadValue(
                        problem: "\(text) is out of range",
                        remedy: "write a size from \(sizeText(range.lowerBound)) to \(sizeText(range.upperBound))")
                }
                return size
            }, write: sizeText)
    }

    static let mapSize = ValueSyntax(
        read: { (text) throws(BadValue) in
            let page = ConfigurationLimits.mapPageBytes
            let size = try size(ConfigurationLimits.mapSizeBytes).read(text)
            guard size.isMultiple(of: page) else {
                let lower = size / page * page
                throw BadValue(
                    problem: "\(text) is not a multiple of \(sizeText(page))",
                    remedy: "write \(sizeText(lower)) or \(sizeText(lower + page))")
            }
            return size
        }, write: sizeText)
}

extension ValueSyntax where Value == Int64 {
    /// Milliseconds within `range`, written with their unit.
    static func duration(_ range: ClosedRange<Int64>) -> ValueSyntax {
        ValueSyntax(
            read: { (text) throws(BadValue) in
                guard let milliseconds = durationMilliseconds(text) else {
                    throw BadValue(
                        problem: "\(quoted(text)) is not a duration",
                        remedy: "write a whole number and ms, s, m, h or d, such as 250ms or 5s")
                }
                guard range.contains(milliseconds) else {
                    throw BadValue(
                        problem: "\(text) is out of range",
                        remedy:
                            "write a duration from \(durationText(range.lowerBound)) to \(durationText(range.upperBound))"
                    )
                }
                return milliseconds
            }, write: durationText)
    }

    static let connectionTimeout = duration(ConfigurationLimits.connectionTimeoutMilliseconds)

    /// `max-age` counts whole seconds (RFC 9111 5.2.2.1).
    static let cacheTTL = ValueSyntax(
        read: { (text) throws(BadValue) in
            let milliseconds = try duration(ConfigurationLimits.redirectCacheTTLMilliseconds).read(text)
            guard milliseconds.isMultiple(of: 1000) else {
                let seconds = milliseconds / 1000
                throw BadValue(
                    problem: "\(text) is not a whole number of seconds", remedy: "write \(seconds)s or \(seconds + 1)s")
            }
            return milliseconds
        }, write: durationText)
}

private let sizeUnits = [
    (name: "TiB", bytes: 1 << 40), (name: "GiB", bytes: 1 << 30), (name: "MiB", bytes: 1 << 20),
    (name: "KiB", bytes: 1 << 10), (name: "B", bytes: 1),
]

private let durationUnits: [(name: String, milliseconds: Int64)] = [
    ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
]

/// Digits and nothing else, without a zero before others.
private func wholeNumber(_ text: Substring) -> Int64? {
    guard !text.isEmpty, text.utf8.allSatisfy(\.isDigit), text == "0" || !text.hasPrefix("0") else { return nil }
    return Int64(text)
}

/// A whole number before its unit, both as they stand.
private func amountAndUnit(_ text: Substring) -> (amount: Int64, unit: Substring)? {
    let end = text.utf8.firstIndex { !$0.isDigit } ?? text.endIndex
    return wholeNumber(text[..<end]).map { ($0, text[end...]) }
}

/// Nil if `text` is no size, or more than an `Int` holds.
func sizeBytes(_ text: String) -> Int? {
    guard let (amount, name) = amountAndUnit(text[...]), let unit = sizeUnits.first(where: { $0.name == name }) else {
        return nil
    }
    let (bytes, overflow) = Int(amount).multipliedReportingOverflow(by: unit.bytes)
    return overflow ? nil : bytes
}

/// `bytes` in the largest unit that divides it.
func sizeText(_ bytes: Int) -> String {
    let unit = bytes == 0 ? sizeUnits.last! : sizeUnits.first { bytes.isMultiple(of: $0.bytes) }!
    return "\(bytes / unit.bytes)\(unit.name)"
}

/// Nil if `text` is no duration, or more than an `Int64` holds. A minus may stand before it.
func durationMilliseconds(_ text: String) -> Int64? {
    let isNegative = text.hasPrefix("-")
    guard let (amount, name) = amountAndUnit(text.dropFirst(isNegative ? 1 : 0)),
        let unit = durationUnits.first(where: { $0.name == name })
    else { return nil }
    let (milliseconds, overflow) = amount.multipliedReportingOverflow(by: unit.milliseconds)
    return overflow ? nil : isNegative ? -milliseconds : milliseconds
}

/// `milliseconds` in the largest unit that divides it.
func durationText(_ milliseconds: Int64) -> String {
    guard milliseconds != 0 else { return "0s" }
    let unit = durationUnits.first { milliseconds.isMultiple(of: $0.milliseconds) }!
    return "\(milliseconds / unit.milliseconds)\(unit.name)"
}
