import COpenSSL
import Glibc
import Server
import Testing

extension NodeTests.HTTPS {
    /// Sessions that are taken up again, by nodes that share nothing but a secret.
    @Suite struct Tickets {
        private static let secret = String(repeating: "cluster-", count: 8)
        private let site = SecureSite("a", "b")

        /// A node of its own with the cluster's secret.
        private func node(_ flags: String..., secret: String? = secret) throws -> RunningNode {
            let directory = TemporaryDirectory()
            let secrets = secret.map { ["--cluster_secret_file", directory.write($0, to: "cluster.secret")] } ?? []
            return try RunningNode(RunningNode.withAdmin + site.flags("a", "b") + secrets + flags, in: directory)
        }

        /// Whether the node takes the session up, and the one that there is afterwards.
        private func visit(
            _ node: RunningNode, _ version: Int32, _ session: [UInt8]? = nil, name: String = "a.example"
        ) throws -> (isResumed: Bool, session: [UInt8], tickets: Int) {
            let client = try SecureClient(
                open: node, SecureClient.Settings(name: name, versions: version...version, session: session))
            // What comes with an answer has come before it, which is when TLS 1.3 gives tickets.
            #expect(try client.get("/health").status == 200)
            #expect(client.isShown(site.identities[name == "b.example" ? "b" : "a"]!))
            return (client.isResumed, client.session, client.ticketCount)
        }

        @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION]) func anyNodeOfARegion(version: Int32) throws {
            let (first, second) = (try node(), try node())
            let full = try visit(first, version)
            #expect(!full.isResumed && full.tickets == 1)
            let again = try visit(second, version, full.session)
            #expect(again.isResumed)
            // TLS 1.3: a ticket for each handshake, and each for one use. TLS 1.2: the one that is good stays.
            #expect(again.tickets == (version == TLS1_3_VERSION ? 1 : 0))
            #expect(try visit(first, version, again.session).isResumed)
            // That of the second certificate too.
            let other = try visit(first, version, name: "b.example")
            #expect(try visit(second, version, other.session, name: "b.example").isResumed)
            let label = version == TLS1_2_VERSION ? "1.2" : "1.3"
            #expect(try first.sample("edge_tls_handshakes_total{version=\"\(label)\",resumed=\"yes\"}") == 1)
            #expect(try first.sample("edge_tls_handshakes_total{version=\"\(label)\",resumed=\"no\"}") == 2)
            #expect(try second.sample("edge_tls_handshakes_total{version=\"\(label)\",resumed=\"yes\"}") == 2)
        }

        /// After its life on the node itself a session of another start is none, without a secret; with it, it is.
        @Test func restart() throws {
            for secret in [Self.secret, nil] {
                let node = try node(secret: secret)
                let session = try visit(node, TLS1_3_VERSION).session
                #expect(try visit(node, TLS1_3_VERSION, session).isResumed)
                #expect(node.stop() == .exited(0))
                let file =
                    secret.map { ["--cluster_secret_file", node.directory.write($0, to: "cluster.secret")] } ?? []
                let next = try node.restarted(RunningNode.withAdmin + site.flags("a", "b") + file)
                #expect(try visit(next, TLS1_3_VERSION, session).isResumed == (secret != nil))
            }
        }

        /// Foreign keys are no fault: the handshake is a full one.
        @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION]) func foreignKeys(version: Int32) throws {
            let session = try visit(try node(), version).session
            let others = [
                try node(secret: String(repeating: "another-", count: 8)), try node(secret: nil),
                try node("--regions", "local:1,eu:2", "--region", "eu"),
            ]
            for other in others {
                let full = try visit(other, version, session)
                #expect(!full.isResumed && full.tickets == 1)
                #expect(try visit(other, version, full.session).isResumed)
            }
        }

        /// Keys are of twelve hours: the former one still opens, and its ticket is renewed; one of before does not. A node
        /// whose clock is behind takes the next one.
        @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION]) func rotation(version: Int32) throws {
            let session = try visit(try node(), version).session
            for (offset, isResumed) in [("12h", true), ("-12h", true), ("24h", false), ("-24h", false)] {
                let later = try node("--clock_offset", offset)
                let result = try visit(later, version, session)
                #expect(result.isResumed == isResumed, "\(offset)")
                #expect(result.session != session, "\(offset)")
                if !isResumed || version == TLS1_3_VERSION { #expect(result.tickets == 1, "\(offset)") }
                // The new one is of the node's own time.
                #expect(try visit(later, version, result.session).isResumed, "\(offset)")
            }
        }
    }
}

@Suite struct DerivedKeyTests {
    private func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16)! }
    }

    /// Test cases 1 and 2 of RFC 5869, as far as a purpose can be such a salt.
    @Test func known() {
        let secret = ClusterSecret([UInt8](repeating: 0x0b, count: 22))
        let salt = String(decoding: bytes("000102030405060708090a0b0c"), as: UTF8.self)
        #expect(
            secret.derive(salt, bytes("f0f1f2f3f4f5f6f7f8f9"), byteCount: 42)
                == bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
        #expect(
            secret.derive("", [], byteCount: 42)
                == bytes("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"))
    }

    @Test func differs() {
        let secret = ClusterSecret(Array("0123456789abcdef0123456789abcdef".utf8))
        let keys = [("a", [1]), ("a", [2]), ("b", [1])].map { secret.derive($0, $1, byteCount: 80) }
        #expect(Set(keys).count == 3 && keys.allSatisfy { $0.count == 80 })
    }
}
