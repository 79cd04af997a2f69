import Glibc
import Testing

/// What a reload does to the keys of HTTPS on a running node.
enum SecureReload {
    /// A node of a file.
    private final class Subject {
        let site: SecureSite
        let node: RunningNode
        private let base: String

        init() throws {
            let site = SecureSite("a", "b")
            self.site = site
            base = "listen_tls = 127.0.0.1:0\nlisten_upgrade = 127.0.0.1:0\nlisten = 127.0.0.1:0\nadmin_listen = off\n"
            let file = site.directory.write(base + Self.pair(site, "a", "a"), to: "edge.conf")
            node = try RunningNode(["--config", file], in: site.directory)
        }

        private static func pair(_ site: SecureSite, _ certificate: String, _ key: String) -> String {
            "tls_certificate = \(site.certificate(certificate))\ntls_key = \(site.key(key))\n"
        }

        func reload(
            _ more: String = "", certificate: String = "a", key: String = "a", until end: String = "event=reload "
        ) throws -> String {
            _ = site.directory.write(base + Self.pair(site, certificate, key) + more, to: "edge.conf")
            node.child.signal(SIGHUP)
            return try node.log.next(end)
        }

        func shows(_ name: String) throws -> Bool { try SecureClient(open: node).isShown(site.identities[name]!) }
    }

    static let proofs: [String: @Sendable () throws -> Void] = [
        "tls_certificate": { try pairs() }, "tls_key": { try pairs() },
        "hsts": {
            let subject = try Subject()
            let client = try SecureClient(open: subject.node)
            #expect(try client.get("/missing")["strict-transport-security"] == nil)
            #expect(try subject.reload("hsts = 1h").contains("changed=1"))
            #expect(try client.get("/missing")["strict-transport-security"] == "max-age=3600")
            #expect(try subject.reload().contains("changed=1"))
            #expect(try client.get("/missing")["strict-transport-security"] == nil)
        },
        "acme_directory": {
            let subject = try Subject()
            _ = subject.site.directory.write("x", to: "token")
            let client = try Client(of: subject.node, port: subject.node.upgradePort)
            #expect(try client.get("/.well-known/acme-challenge/token").status == 404)
            let path = subject.site.directory.path
            #expect(try subject.reload("acme_directory = \(path)").contains("changed=1"))
            #expect(try client.get("/.well-known/acme-challenge/token").text == "x")
        },
    ]

    /// Other files count; one of the two alone does not go with the other.
    private static func pairs() throws {
        let subject = try Subject()
        #expect(try subject.shows("a"))
        for (certificate, key) in [("a", "b"), ("b", "a")] {
            #expect(
                try subject.reload(certificate: certificate, key: key, until: "event=reload-failed").contains(
                    "changed=0"))
            #expect(try subject.shows("a"))
        }
        #expect(try subject.reload(certificate: "b", key: "b").contains("changed=2 need_restart=0"))
        #expect(try subject.shows("b"))
    }
}
