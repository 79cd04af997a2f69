extension Configuration {
    /// What answers over TLS say of later visits: come by TLS for so long (RFC 6797).
    package struct HSTS: Equatable, Sendable {
        package let maxAgeMilliseconds: Int64
        package let includesSubdomains: Bool
        /// Browsers may have it in a list, before any visit.
        package let isPreloaded: Bool

        package var fieldValue: String {
            "max-age=\(maxAgeMilliseconds / 1000)" + (includesSubdomains ? "; includeSubDomains" : "")
                + (isPreloaded ? "; preload" : "")
        }
    }
}

extension ValueSyntax where Value == Configuration.HSTS? {
    /// `365d includeSubDomains preload`, less of it, or `off`.
    static let hsts = ValueSyntax(
        read: { (text) throws(BadValue) in
            if text == "off" { return nil }
            let words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
            let options = words.dropFirst()
            guard [[], ["includeSubDomains"], ["includeSubDomains", "preload"]].contains(Array(options)) else {
                throw BadValue(
                    problem: "\(quoted(options.joined(separator: " "))) is not what may stand behind the duration",
                    remedy: "write off, 365d, 365d includeSubDomains, or 365d includeSubDomains preload")
            }
            let milliseconds = try ValueSyntax<Int64>.duration(ConfigurationLimits.hstsMilliseconds).read(words[0])
            let isPreloaded = options.count == 2
            guard milliseconds.isMultiple(of: 1000),
                !isPreloaded || milliseconds >= ConfigurationLimits.preloadMilliseconds
            else {
                throw BadValue(
                    problem: isPreloaded
                        ? "\(words[0]) is too short to be preloaded" : "\(words[0]) has parts of a second",
                    remedy: isPreloaded ? "write 365d or more" : "write whole seconds")
            }
            return Configuration.HSTS(
                maxAgeMilliseconds: milliseconds, includesSubdomains: !options.isEmpty, isPreloaded: isPreloaded)
        },
        write: { hsts in
            guard let hsts else { return "off" }
            return durationText(hsts.maxAgeMilliseconds) + (hsts.includesSubdomains ? " includeSubDomains" : "")
                + (hsts.isPreloaded ? " preload" : "")
        })
}

extension ValueSyntax where Value == [String] {
    static let certificates = files(atMost: TLSLimits.pairs, remedy: "use certificates with several names")

    /// Paths with commas between, or `none`; a file of that name is `./none`.
    static func files(atMost limit: Int, remedy: String) -> ValueSyntax {
        list("path", atMost: limit, tooMany: BadValue(problem: "more than \(limit) files", remedy: remedy))
    }

    /// Texts with commas between, or `none`. `element`: what one of them is called.
    static func list(_ element: String, atMost limit: Int, tooMany: BadValue) -> ValueSyntax {
        ValueSyntax(
            read: { (text) throws(BadValue) in
                if text == "none" { return [] }
                let elements = text.split(separator: ",", omittingEmptySubsequences: false)
                    .map { String($0.trimmingBlanks()) }
                guard !elements.contains("") else {
                    throw BadValue(
                        problem: "a comma without a \(element) beside it",
                        remedy: "write \(element)s with commas between")
                }
                guard elements.count <= limit else { throw tooMany }
                return elements
            }, write: { $0.isEmpty ? "none" : $0.joined(separator: ", ") })
    }
}
