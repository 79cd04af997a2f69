extension ConfigurationKey {
    /// What can be turned off, beside `anonymous_create`, and who may ask from a browser.
    static let switches: [ConfigurationKey] = [
        .init(
            "create", \.creates, .onOff, "links may be created; off: creating is answered with 503, all else goes on",
            reloadable: true),
        .init(
            "ask_regions", \.asksRegions, .onOff,
            "other nodes are asked for what is not here; off: as if none could be reached", reloadable: true),
        .init("count_clicks", \.countsClicks, .onOff, "clicks are counted", reloadable: true),
        .init(
            "cors_origins", \.corsOrigins, .origins,
            "sites whose pages may use /api/v1/ from a browser, such as https://app.example; *: all; none",
            reloadable: true),
    ]
}

extension ValueSyntax where Value == [String] {
    /// Origins as browsers send them, with commas between; `*` or `none`.
    static let origins = ValueSyntax(
        read: { (text) throws(BadValue) in
            if text == "none" { return [] }
            if text == "*" { return ["*"] }
            let origins = text.split(separator: ",", omittingEmptySubsequences: false)
                .map { String($0.trimmingBlanks()) }
            for origin in origins {
                let plain = serialized(try ValueSyntax<String>.origin.read(origin))
                guard origin == plain else {
                    throw BadValue(problem: "browsers do not spell \(quoted(origin)) so", remedy: "write \(plain)")
                }
            }
            guard origins.count <= ConfigurationLimits.corsOrigins else {
                throw BadValue(
                    problem: "more than \(ConfigurationLimits.corsOrigins) origins", remedy: "write fewer, or *")
            }
            return origins
        }, write: { $0.isEmpty ? "none" : $0.joined(separator: ", ") })

    /// In lower case, and without the port that the scheme stands for.
    private static func serialized(_ origin: String) -> String {
        let origin = origin.lowercased()
        let port = origin.hasPrefix("https:") ? ":443" : ":80"
        return origin.hasSuffix(port) ? String(origin.dropLast(port.utf8.count)) : origin
    }
}
