/// The grammar of RFC 9110, 9112 and 3986 on strings of Latin-1 characters, for `ModelReader`: each rule a function that
/// takes a prefix or says that there is none.
struct Grammar {
    private var rest: ArraySlice<Unicode.Scalar>

    private init(_ text: String) { rest = Array(text.unicodeScalars)[...] }

    private static let alpha = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    private static let digits = "0123456789"
    private static let hexDigits = digits + "ABCDEFabcdef"
    private static let tokenCharacters = "!#$%&'*+-.^_`|~" + digits + alpha
    private static let nameCharacters = alpha + digits + "-._~" + "!$&'()*+,;="

    private mutating func many(_ set: String) -> String {
        let members = Set(set.unicodeScalars)
        var taken = String.UnicodeScalarView()
        while let first = rest.first, members.contains(first) { taken.append(rest.removeFirst()) }
        return String(taken)
    }

    private mutating func take(_ text: String) -> Bool {
        guard rest.starts(with: text.unicodeScalars) else { return false }
        rest = rest.dropFirst(text.unicodeScalars.count)
        return true
    }

    /// Characters of a set, and percent-encodings.
    private mutating func encoded(_ set: String) -> String {
        var taken = ""
        while true {
            taken += many(set)
            guard rest.count >= 3, rest.first == "%",
                rest.dropFirst().prefix(2).allSatisfy({ Self.hexDigits.unicodeScalars.contains($0) })
            else { return taken }
            for _ in 0..<3 { taken.unicodeScalars.append(rest.removeFirst()) }
        }
    }

    private static func isText(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "\t" || (scalar.value >= 32 && scalar.value != 127)
    }

    /// The version, if the rest is right.
    static func version(ofRequestLine line: String) -> String? {
        var text = Grammar(line)
        let method = text.many(tokenCharacters)
        guard !method.isEmpty, text.take(" ") else { return nil }
        let target = text.rest.prefix { $0 != " " }
        text.rest = text.rest.dropFirst(target.count)
        guard method == "CONNECT" || isTarget(String(String.UnicodeScalarView(target)), method), text.take(" ") else {
            return nil
        }
        let version = Array(text.rest)
        guard version.count == 8, text.take("HTTP/"), !text.many(digits).isEmpty, text.take("."),
            !text.many(digits).isEmpty, text.rest.isEmpty, version[6] == "."
        else { return nil }
        return String(String.UnicodeScalarView(version))
    }

    private static func isTarget(_ target: String, _ method: String) -> Bool {
        if target == "*" { return method == "OPTIONS" }
        var text = Grammar(target)
        if !target.hasPrefix("/") {
            guard let scheme = ["http://", "https://"].first(where: { target.lowercased().hasPrefix($0) }) else {
                return false
            }
            text.rest = text.rest.dropFirst(scheme.unicodeScalars.count)
            let authority = text.rest.prefix { $0 != "/" && $0 != "?" }
            guard isAuthority(String(String.UnicodeScalarView(authority))) else { return false }
            text.rest = text.rest.dropFirst(authority.count)
        }
        _ = text.encoded(nameCharacters + ":@/")
        // What browsers leave in a query as it is, beside what RFC 3986 has there.
        if text.take("?") { _ = text.many(nameCharacters + ":@/?[]{}|\\^`%") }
        return text.rest.isEmpty
    }

    static func isAuthority(_ value: String) -> Bool {
        var text = Grammar(value)
        if text.take("[") {
            let literal = text.rest.prefix { $0 != "]" }
            text.rest = text.rest.dropFirst(literal.count)
            guard text.take("]"), isLiteral(String(String.UnicodeScalarView(literal))) else { return false }
        } else if text.encoded(nameCharacters).isEmpty {
            return false
        }
        if text.take(":") {
            let port = text.many(digits)
            if !port.isEmpty, Int(port).map({ $0 > 65_535 }) ?? true { return false }
        }
        return text.rest.isEmpty
    }

    private static func isLiteral(_ literal: String) -> Bool {
        var future = Grammar(literal)
        if future.take("v") || future.take("V") {
            return !future.many(hexDigits).isEmpty && future.take(".") && !future.many(nameCharacters + ":").isEmpty
                && future.rest.isEmpty
        }
        let halves = literal.split(separator: "::", maxSplits: 1, omittingEmptySubsequences: false)
        func groups(_ half: Substring, isLast: Bool) -> Int? {
            if half.isEmpty { return 0 }
            var count = 0
            let parts = half.split(separator: ":", omittingEmptySubsequences: false)
            for (index, part) in parts.enumerated() {
                let isFinal = isLast && index == parts.count - 1
                if isFinal, part.contains(".") {
                    let octets = part.split(separator: ".", omittingEmptySubsequences: false)
                    guard octets.count == 4, octets.allSatisfy({ isOctet($0) }) else { return nil }
                    count += 2
                } else {
                    guard (1...4).contains(part.count), part.allSatisfy({ hexDigits.contains($0) }) else { return nil }
                    count += 1
                }
            }
            return count
        }
        guard let first = groups(halves[0], isLast: halves.count == 1) else { return false }
        if halves.count == 1 { return first == 8 }
        guard let second = groups(halves[1], isLast: true) else { return false }
        return first + second <= 7
    }

    private static func isOctet(_ text: Substring) -> Bool {
        text.allSatisfy { digits.contains($0) } && UInt8(text).map { String($0) == text } ?? false
    }

    static func field(_ line: String) -> (name: String, value: String)? {
        var text = Grammar(line)
        let name = text.many(tokenCharacters)
        guard !name.isEmpty, text.take(":"), text.rest.allSatisfy({ isText($0) }) else { return nil }
        _ = text.many(" \t")
        while let last = text.rest.last, last == " " || last == "\t" { text.rest.removeLast() }
        return (name.lowercased(), String(String.UnicodeScalarView(text.rest)))
    }

    static func isNumber(_ value: String) -> Bool {
        var text = Grammar(value)
        return !text.many(digits).isEmpty && text.rest.isEmpty
    }

    /// Tokens between commas, none of them empty.
    static func areCodings(_ value: String) -> Bool {
        var text = Grammar(value)
        while true {
            _ = text.many(" \t")
            if text.many(tokenCharacters).isEmpty { return false }
            _ = text.many(" \t")
            if text.rest.isEmpty { return true }
            if !text.take(",") { return false }
        }
    }

    /// Small-letter elements, empty ones left out; commas in quoted strings do not separate.
    static func list(_ value: String) -> [String] {
        var elements: [String] = [""]
        var isQuoted = false
        var isEscaped = false
        for scalar in value.unicodeScalars {
            if scalar == ",", !isQuoted {
                elements.append("")
                continue
            }
            if isEscaped {
                isEscaped = false
            } else if isQuoted, scalar == "\\" {
                isEscaped = true
            } else if scalar == "\"" {
                isQuoted.toggle()
            }
            elements[elements.count - 1].unicodeScalars.append(scalar)
        }
        return elements.map { element in
            var text = Grammar(element)
            _ = text.many(" \t")
            while let last = text.rest.last, last == " " || last == "\t" { text.rest.removeLast() }
            return String(String.UnicodeScalarView(text.rest)).lowercased()
        }.filter { !$0.isEmpty }
    }

    /// The digits, if extensions are right.
    static func chunkSize(_ line: String) -> String? {
        var text = Grammar(line)
        let size = text.many(hexDigits)
        if size.isEmpty { return nil }
        while !text.rest.isEmpty {
            _ = text.many(" \t")
            guard text.take(";") else { return nil }
            _ = text.many(" \t")
            if text.many(tokenCharacters).isEmpty { return nil }
            let afterName = text.rest
            _ = text.many(" \t")
            guard text.take("=") else {
                text.rest = afterName
                continue
            }
            _ = text.many(" \t")
            guard text.takeQuotedString() || !text.many(tokenCharacters).isEmpty else { return nil }
        }
        return size
    }

    private mutating func takeQuotedString() -> Bool {
        let start = rest
        guard take("\"") else { return false }
        while let first = rest.popFirst() {
            if first == "\"" { return true }
            guard Self.isText(first) else { break }
            if first == "\\" {
                guard let escaped = rest.popFirst(), Self.isText(escaped) else { break }
            }
        }
        rest = start
        return false
    }
}
