import Server
import Testing

/// The key `cors_origins`.
struct CORSKeyTests {
    private func load(_ value: String) throws(ConfigurationErrors) -> Configuration {
        try Configuration.load(
            file: (path: "edge.conf", text: Array("cors_origins = \(value)".utf8)), flags: [], cores: 2)
    }

    @Test(
        arguments: [
            ("none", []), ("*", ["*"]), ("https://app.example", ["https://app.example"]),
            ("https://a.example, http://localhost:3000", ["https://a.example", "http://localhost:3000"]),
            ("https://a.example:80", ["https://a.example:80"]),
        ] as [(String, [String])])
    func right(text: String, origins: [String]) throws {
        let configuration = try load(text)
        #expect(configuration.corsOrigins == origins)
        #expect(configuration.text.contains("cors_origins = \(text)\n"))
    }

    /// What was turned off in an emergency is not forgotten.
    @Test func switchesThatAreOff() throws {
        let off = "none\ncreate = off\nask_regions = off\ncount_clicks = off\nanonymous_create = off"
        #expect(try load(off).warnings == ["create: off", "ask_regions: off", "count_clicks: off"])
        #expect(try load("none").warnings == [])
    }

    @Test(arguments: [
        ("app.example", "does not start with http:// or https://"), ("https://a.example, *", "does not start with"),
        ("https://a.example,", "does not start with"), ("https://a.example/", "more than a scheme, a host and a port"),
        ("https://*.example", "is not a host"), ("https://A.example", "write https://a.example"),
        ("https://a.example:443", "write https://a.example"), ("http://a.example:80", "write http://a.example"),
        ("null", "does not start with"),
        ((0...64).map { "https://a\($0).example" }.joined(separator: ", "), "more than 64 origins"),
    ])
    func wrong(text: String, words: String) {
        do {
            _ = try load(text)
            Issue.record("\(text) is taken")
        } catch {
            #expect(error.errors.count == 1 && error.errors[0].description.contains(words), "\(error)")
        }
    }
}
