import Server
import Testing

/// The keys that bound connections.
@Suite struct ConnectionKeyTests {
    private func load(_ text: String) throws(ConfigurationErrors) -> Configuration {
        try Configuration.load(file: (path: "edge.conf", text: Array(text.utf8)), flags: [], cores: 2)
    }

    private func values(_ configuration: Configuration) -> [Int64] {
        [
            Int64(configuration.maxConnections), configuration.headTimeoutMilliseconds,
            configuration.bodyTimeoutMilliseconds, configuration.idleTimeoutMilliseconds,
            configuration.writeTimeoutMilliseconds,
        ]
    }

    @Test func defaultsAndLimits() throws {
        #expect(values(try load("")) == [0, 10_000, 30_000, 75_000, 30_000])
        #expect(try load("").text.contains("max_connections = auto\n"))
        let configuration = try load(
            """
            max_connections = 1000000
            head_timeout = 100ms
            body_timeout = 1m
            idle_timeout = 2s
            write_timeout = 1d
            """)
        #expect(values(configuration) == [1_000_000, 100, 60_000, 2000, 86_400_000])
        #expect(try load(configuration.text) == configuration)
    }

    @Test(arguments: [
        (
            "max_connections = 0",
            "\"0\" is not a number from 1 to 1000000; write one, or auto for what the descriptor limit allows"
        ),
        ("max_connections = 1000001", "is not a number"), ("max_connections = many", "is not a number"),
        ("head_timeout = 99ms", "99ms is out of range; write a duration from 100ms to 1d"),
        ("body_timeout = 2d", "out of range"), ("idle_timeout = 10", "not a duration"),
        ("write_timeout = 0s", "out of range"),
    ])
    func refused(line: String, error: String) {
        let expected = "edge.conf:1: \(line.split(separator: " ")[0]): "
        do {
            _ = try load(line)
            Issue.record("\(line) was taken")
        } catch let errors {
            let found = errors.errors.map(\.description)
            #expect(found.count == 1 && found[0].hasPrefix(expected) && found[0].contains(error), "\(found)")
        }
    }
}
