import Server
import Testing

@Suite struct ReloadTests {
    private func load(_ text: String) throws -> Configuration {
        try Configuration.load(file: ("edge.conf", Array(text.utf8)), flags: [], cores: 2)
    }

    @Test func nothingChanged() throws {
        let running = try load("node = 3")
        let reload = ConfigurationReload(from: running, to: try load("# again\nnode = 3"))
        #expect(reload.configuration == running && reload.applied.isEmpty && reload.waiting.isEmpty)
    }

    @Test func appliedAndWaiting() throws {
        let running = try load("node = 3\nredirect_status = 301\ndrain_timeout = 1s")
        let wanted = try load("node = 4\nredirect_status = 308\nworkers = 1")
        let reload = ConfigurationReload(from: running, to: wanted)
        #expect(
            reload.applied == [
                .init(key: "drain_timeout", old: "1s", new: "10s"),
                .init(key: "redirect_status", old: "301", new: "308"),
            ])
        #expect(
            reload.waiting == [.init(key: "node", old: "3", new: "4"), .init(key: "workers", old: "2", new: "1")])
        #expect(reload.configuration == (try load("node = 3\nredirect_status = 308")))
    }

    /// The right to create is not widened for an address that the node does not listen on yet.
    @Test(arguments: [
        ("listen = 0.0.0.0:80", "listen = 127.0.0.1:80", false, false),
        ("listen = 127.0.0.1:80", "listen = 0.0.0.0:80", false, true),
        ("listen = 0.0.0.0:80", "listen = 127.0.0.1:80\nanonymous_create = on", false, false),
        ("listen = 0.0.0.0:80", "listen = 0.0.0.0:80\nanonymous_create = on", true, true),
        ("listen = 127.0.0.1:80", "listen = 127.0.0.1:80\nanonymous_create = off", false, true),
    ])
    func anonymousCreateAndListen(before: String, after: String, allowed: Bool, isApplied: Bool) throws {
        let reload = ConfigurationReload(from: try load(before), to: try load(after))
        #expect(reload.configuration.anonymousCreate == allowed)
        #expect(reload.applied.contains { $0.key == "anonymous_create" } == isApplied)
        #expect(reload.waiting.contains { $0.key == "anonymous_create" } != isApplied)
    }
}
