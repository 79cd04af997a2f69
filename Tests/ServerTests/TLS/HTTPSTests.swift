import COpenSSL
import Glibc
import Server
import Testing

extension NodeTests {
    /// Tests of HTTPS for users.
    @Suite(.serialized) struct HTTPS {}
}

extension NodeTests.HTTPS {
    /// What is agreed on, and what is not.
    @Suite struct Handshakes {
        private typealias Settings = SecureClient.Settings

        @Test func versionsAndCiphers() throws {
            let node = try SecureSite.node(RunningNode.withAdmin)
            for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
                let client = try SecureClient(open: node, Settings(versions: version...version))
                #expect(client.version == version && client.chosenProtocol == nil)
                #expect(try client.get("/health").status == 200)
            }
            let old = try SecureClient(to: node, Settings(versions: TLS1_VERSION...TLS1_1_VERSION))
            #expect(try !old.shakeHands() && old.failure == "tlsv1 alert protocol version")
            // Forward secrecy and authenticated encryption, or nothing.
            for ciphers in ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "AES128-GCM-SHA256"] {
                let weak = try SecureClient(
                    to: node, Settings(versions: TLS1_2_VERSION...TLS1_2_VERSION, ciphers: ciphers))
                #expect(try !weak.shakeHands() && weak.failure == "sslv3 alert handshake failure")
            }
            try node.await(#"edge_tls_handshake_failures_total{reason="refused"}"#) { $0 == 4 }
            #expect(try node.sample(#"edge_tls_handshakes_total{version="1.2",resumed="no"}"#) == 1)
            #expect(try node.sample(#"edge_tls_handshakes_total{version="1.3",resumed="no"}"#) == 1)
        }

        /// The server's order, unless the client begins with ChaCha20.
        @Test func preference() throws {
            let node = try SecureSite.node()
            let (aes, chacha) = ("TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256")
            #expect(
                try SecureClient(open: node, Settings(suites: "\(aes):\(chacha)")).cipher == "TLS_AES_128_GCM_SHA256")
            #expect(try SecureClient(open: node, Settings(suites: "\(chacha):\(aes)")).cipher == chacha)
        }

        @Test func names() throws {
            let site = SecureSite("a", "b")
            let node = try RunningNode(site.flags("a", "b"), in: site.directory)
            for (name, shown) in [
                (nil, "a"), ("a.example", "a"), ("b.example", "b"), ("B.Example", "b"), ("x.b.example", "b"),
                ("x.y.b.example", "a"), ("other.example", "a"), ("localhost", "a"),
            ] {
                for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
                    let client = try SecureClient(open: node, Settings(name: name, versions: version...version))
                    #expect(client.isShown(site.identities[shown]!), "\(name ?? "none")")
                    #expect(try client.get("/health").status == 200)
                }
            }
        }

        /// Of two certificates with the same names and other types of keys a client is shown the one that it can check.
        /// A third one is nobody's.
        @Test func typesOfKeys() throws {
            var site = SecureSite("a", "b")
            site.issue("rsa", as: "b", keyType: EVP_PKEY_RSA)
            site.issue("again", as: "b")
            let node = try RunningNode(site.flags("a", "b", "rsa", "again"), in: site.directory)
            let told = node.log.seen.filter { $0.contains("event=tls-certificate-unused") }
            #expect(told.count == 1 && told[0].contains("level=warning"), "\(told)")
            #expect(told.first?.contains(site.certificate("again")) == true, "\(told)")
            let (rsa, ecdsa) = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256")
            for (name, ciphers, shown) in [
                ("b.example", rsa, "rsa"), ("b.example", ecdsa, "b"), ("b.example", "\(rsa):\(ecdsa)", "b"),
                ("a.example", ecdsa, "a"), ("a.example", rsa, nil),
            ] as [(String, String, String?)] {
                let client = try SecureClient(
                    to: node, Settings(name: name, versions: TLS1_2_VERSION...TLS1_2_VERSION, ciphers: ciphers))
                #expect(try client.shakeHands() == (shown != nil), "\(name) \(ciphers)")
                guard let shown else { continue }
                #expect(client.isShown(site.identities[shown]!), "\(name) \(ciphers)")
                #expect(try client.get("/health").status == 200)
            }
            #expect(try SecureClient(open: node, Settings(name: "b.example")).isShown(site.identities["b"]!))
        }

        @Test func protocols() throws {
            let node = try SecureSite.node()
            #expect(try SecureClient(open: node, Settings(protocols: ["http/1.1"])).chosenProtocol == "http/1.1")
            #expect(try SecureClient(open: node, Settings(protocols: ["h2", "http/1.1"])).chosenProtocol == "http/1.1")
            for others in [["h2"], ["http/1.0", "x"]] {
                let client = try SecureClient(to: node, Settings(protocols: others))
                #expect(try !client.shakeHands() && client.failure == "tlsv1 alert no application protocol")
            }
        }

        /// Keys are not agreed on anew, nobody is asked for a certificate, nothing is compressed, and no data comes early.
        @Test func notOffered() throws {
            let node = try SecureSite.node()
            let client = try SecureClient(open: node, Settings(versions: TLS1_2_VERSION...TLS1_2_VERSION))
            #expect(SSL_get_current_compression(client.connection) == nil)
            #expect(SSL_get0_CA_list(client.connection).map { OPENSSL_sk_num($0) } ?? 0 <= 0)
            #expect(SSL_renegotiate(client.connection) == 1)
            #expect(try !client.shakeHands() && client.failure == "no renegotiation")
            let newer = try SecureClient(open: node, Settings(versions: TLS1_3_VERSION...TLS1_3_VERSION))
            #expect(try newer.get("/health").status == 200)
            #expect(SSL_SESSION_get_max_early_data(SSL_get_session(newer.connection)) == 0)
            // New keys of TLS 1.3 are another thing.
            #expect(SSL_key_update(newer.connection, SSL_KEY_UPDATE_REQUESTED) == 1)
            #expect(try newer.get("/health").status == 200)
        }

        /// Plain HTTP is answered in plain HTTP; what is neither is told so by an alert.
        @Test func otherTalk() throws {
            let node = try SecureSite.node(RunningNode.withAdmin)
            let plain = try Client(of: node, port: node.tlsPort)
            try plain.send(Client.request("GET", "/health") + Client.request("GET", "/health"))
            let answer = try plain.read()
            answer.expectProblem(400, "malformed-request")
            #expect(answer["connection"] == "close")
            #expect(try plain.endsHere())
            let noise = try Client(of: node, port: node.tlsPort)
            try noise.send([0x80, 0x2e, 0x01, 0x00, 0x02] + [UInt8](repeating: 0, count: 43))
            #expect(try noise.bytesToEnd().first.map { $0 == 21 } ?? true)
            let gone = try Client(of: node, port: node.tlsPort)
            try gone.send([0x16, 0x03, 0x01])
            gone.endSending()
            #expect(try gone.endsHere())
            for (reason, count) in [("plain_http", 1.0), ("refused", 1), ("abandoned", 1), ("timeout", 0)] {
                try node.await("edge_tls_handshake_failures_total{reason=\"\(reason)\"}") { $0 == count }
            }
        }

        /// Half a handshake, and none, end with their time.
        @Test func silence() throws {
            let node = try SecureSite.node(
                RunningNode.withAdmin + ["--head_timeout", "100ms"])
            for count in [0, 1, 100] {
                let hello = try SecureClient(to: node)
                ERR_clear_error()
                #expect(SSL_do_handshake(hello.connection) == -1)
                try hello.client.send(Array(hello.takeOutput().prefix(count)))
                #expect(try hello.client.endsHere())
            }
            try node.await(#"edge_tls_handshake_failures_total{reason="timeout"}"#) { $0 == 3 }
            try node.await(#"edge_connection_timeouts_total{awaited="handshake"}"#) { $0 == 3 }
        }

        /// Whoever opens connections and says nothing makes room for others.
        @Test func crowd() throws {
            let node = try SecureSite.node(
                RunningNode.withAdmin + ["--max_connections", "8", "--head_timeout", "1s"])
            let silent = try (0..<8).map { _ in try Client(of: node, port: node.tlsPort) }
            #expect(try SecureClient(open: node).get("/health").status == 200)
            #expect(try silent.contains { try $0.endsHere() })
        }

        /// A trusted proxy says before the handshake for whom it connected.
        @Test func proxyHeader() throws {
            let flags = ["--trusted_proxies", "127.0.0.1", "--rate_limit_miss", "1/h burst 1"]
            let node = try SecureSite.node(flags)
            for (address, status) in [("203.0.113.1", 404), ("203.0.113.1", 429), ("203.0.113.2", 404)] {
                let client = try SecureClient(to: node)
                try client.client.send("PROXY TCP4 \(address) 192.0.2.1 4711 443\r\n")
                #expect(try client.shakeHands())
                #expect(try client.get("/missing").status == status)
            }
            // In pieces, and with the first record in one.
            let client = try SecureClient(to: node)
            try client.client.send("PROX")
            _ = SSL_do_handshake(client.connection)
            try client.client.send(Array("Y TCP4 203.0.113.2 192.0.2.1 4711 443\r\n".utf8) + client.takeOutput())
            #expect(try client.shakeHands())
            #expect(try client.get("/missing").status == 429)
        }
    }
}

extension Client {
    /// All that comes until the node closes.
    func bytesToEnd() throws -> [UInt8] {
        var (all, bytes) = ([UInt8](), [UInt8](repeating: 0, count: 4096))
        let deadline = Deadline()
        while true {
            let count = recv(descriptor, &bytes, bytes.count, 0)
            if count > 0 {
                all += bytes[..<count]
            } else if count == 0 || errno == ECONNRESET {
                return all
            } else if !deadline.wait(descriptor, for: POLLIN) {
                throw HarnessError("the node does not close")
            }
        }
    }
}
