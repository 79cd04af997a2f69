extension ValueSyntax where Value == RateLimit? {
    /// `10/s burst 50`, or `off`.
    static let rateLimit = ValueSyntax(
        read: { (text) throws(BadValue) in
            if text == "off" { return nil }
            let range = RateLimit.numbers
            func bad(_ problem: String) -> BadValue {
                BadValue(
                    problem: problem, remedy: "write off, or a rate and a burst such as 10/s burst 50 (/s, /m or /h)")
            }
            func number(_ text: Substring) throws(BadValue) -> Int {
                guard let number = try? ValueSyntax<Int>.integer(range).read(String(text)) else {
                    throw bad("\(quoted(text)) is not a number from \(range.lowerBound) to \(range.upperBound)")
                }
                return number
            }
            let words = text.split { $0 == " " || $0 == "\t" }
            guard words.count == 3, words[1] == "burst" else {
                throw bad("\(quoted(text)) is not a rate with its burst")
            }
            let parts = words[0].split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, let period = RateLimit.Period(rawValue: String(parts[1])) else {
                throw bad("\(quoted(words[0])) is not a rate")
            }
            return RateLimit(try number(parts[0]), per: period, burst: try number(words[2]))
        }, write: { $0?.description ?? "off" })
}

extension ValueSyntax where Value == [AddressPrefix] {
    /// `10.0.0.0/8, ::1`, or `none`.
    static let addressPrefixes = ValueSyntax(
        read: { (text) throws(BadValue) in
            if text == "none" { return [] }
            var prefixes: [AddressPrefix] = []
            for item in text.split(separator: ",", omittingEmptySubsequences: false) {
                let prefix = try AddressPrefix(item.trimmingBlanks())
                guard !prefixes.contains(prefix) else {
                    throw BadValue(problem: "\(prefix) stands there twice", remedy: "take one of them out")
                }
                prefixes.append(prefix)
            }
            guard prefixes.count <= ConfigurationLimits.trustedProxies else {
                throw BadValue(
                    problem: "more than \(ConfigurationLimits.trustedProxies) addresses",
                    remedy: "write prefixes that hold several, such as 10.0.0.0/8")
            }
            return prefixes
        }, write: { $0.isEmpty ? "none" : $0.map(\.description).joined(separator: ", ") })
}
