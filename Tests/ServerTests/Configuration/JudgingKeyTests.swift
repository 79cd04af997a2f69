import Server
import Testing

/// The keys of who judges where links lead.
@Suite struct JudgingKeyTests {
    private func load(_ text: String) throws -> Configuration {
        try Configuration.load(file: ("edge.conf", Array(text.utf8)), flags: [], cores: 2)
    }

    @Test func values() throws {
        let configuration = try load(
            """
            block_lists = /a/one.txt, two
            lookup_service = http://localhost:8443/v4/fullHashes:find?x=1
            lookup_service_timeout = 500ms
            """)
        #expect(configuration.blockLists == ["/a/one.txt", "two"])
        #expect(configuration.lookupService.map { "\($0)" } == "http://localhost:8443/v4/fullHashes:find?x=1")
        #expect(try load(configuration.text) == configuration)
        #expect(try load("").blockLists.isEmpty && load("").lookupService == nil)
    }

    @Test(arguments: [
        ("block_lists = a/x,b/x", "two files are named"), ("block_lists = a,,b", "comma"),
        ("block_lists = lookup-service", "no name of a list"), ("block_lists = /", "no name of a list"),
        ("block_lists = " + (0..<17).map { "l\($0)" }.joined(separator: ","), "more than 16 files"),
        ("lookup_service = https://a.example/find", "of a proxy where the service wants https"),
        ("lookup_service = http://a.example", "no http:// URL with a path"),
        ("lookup_service_timeout = 1ms", "lookup_service_timeout"),
    ])
    func wrong(text: String, said: String) throws {
        do {
            _ = try load(text)
            Issue.record("\(text) is taken")
        } catch let error as ConfigurationErrors {
            #expect(error.errors.contains { $0.description.contains(said) }, "\(error.errors)")
        }
    }
}
