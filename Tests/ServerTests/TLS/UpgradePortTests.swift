import Foundation
import Glibc
import Server
import Testing

extension NodeTests.HTTPS {
    /// The plain port that leads to HTTPS.
    @Suite struct Upgrading {
        private func ask(
            _ node: RunningNode, _ target: String, host: String, method: String = "GET"
        ) throws -> (status: Int, location: String?) {
            let client = try Client(of: node, port: node.upgradePort)
            try client.send("\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\nContent-Length: 2\r\n\r\n{}")
            let answer = try client.read(isHead: method == "HEAD")
            return (answer.status, answer["location"])
        }

        /// To the host that was asked for if the certificates have it, else to the public one: never to another.
        @Test func hosts() throws {
            let site = SecureSite("a", "b")
            let flags = site.flags("a", "b") + ["--listen_upgrade", "127.0.0.1:0"]
            let node = try RunningNode(
                RunningNode.withAdmin + flags + ["--public_url", "https://sho.rt"], in: site.directory)
            for (host, place) in [
                ("a.example", "a.example"), ("x.b.example:8080", "x.b.example"), ("A.EXAMPLE", "A.EXAMPLE"),
                ("evil.example", "sho.rt"), ("sho.rt", "sho.rt"), ("a.example.evil.example", "sho.rt"),
                ("[::1]", "sho.rt"), ("*.a.example", "sho.rt"), ("x.y.a.example", "sho.rt"),
            ] {
                for method in ["GET", "HEAD", "POST", "DELETE"] {
                    let answer = try ask(node, "/a/b?c=%20d&e", host: host, method: method)
                    #expect(answer.status == 308 && answer.location == "https://\(place)/a/b?c=%20d&e", "\(host)")
                }
            }
            #expect(
                try ask(node, "//evil.example/x", host: "a.example").location == "https://a.example//evil.example/x")
            #expect(try ask(node, "http://evil.example/x", host: "a.example").location == "https://sho.rt/x")
            #expect(try ask(node, "*", host: "a.example", method: "OPTIONS").location == "https://a.example/")
            #expect(try node.sample(#"edge_upgrade_requests_total{answer="redirect"}"#) == 39)
        }

        /// The port is the public one, or the one of HTTPS.
        @Test func ports() throws {
            let flags = ["--listen_upgrade", "127.0.0.1:0"]
            let node = try SecureSite.node(flags)
            #expect(try ask(node, "/x", host: "a.example").location == "https://a.example:\(node.tlsPort)/x")
            #expect(try ask(node, "/x", host: "other").location == "https://127.0.0.1:\(node.tlsPort)/x")
            let public_ = try SecureSite.node(flags + ["--public_url", "https://[::1]:8443"])
            #expect(try ask(public_, "/x", host: "a.example").location == "https://a.example:8443/x")
            #expect(try ask(public_, "/x", host: "other").location == "https://[::1]:8443/x")
        }

        /// What is malformed is refused as anywhere, and a drain closes.
        @Test func otherTalk() throws {
            let node = try SecureSite.node(["--listen_upgrade", "127.0.0.1:0"])
            let client = try Client(of: node, port: node.upgradePort)
            try client.send("nonsense\r\n\r\n")
            #expect(try client.read().status == 400)
            let idle = try Client(of: node, port: node.upgradePort)
            #expect(try idle.get("/x").status == 308 && idle.get("/y").status == 308)
            #expect(node.stop() == .exited(0))
            #expect(try idle.endsHere())
        }

        /// Files of the directory and nothing else.
        @Test func challenges() throws {
            let site = SecureSite("a")
            let directory = site.directory
            directory.makeDirectories("acme/below")
            let token = "token_A-1"
            _ = directory.write("answer.of-the-account", to: "acme/\(token)", mode: 0o644)
            _ = directory.write("secret", to: "secret")
            _ = directory.write("x", to: "acme/with.dot")
            _ = directory.write("y", to: "acme/below/file")
            _ = directory.write(String(repeating: "z", count: 4096), to: "acme/whole")
            _ = directory.write(String(repeating: "z", count: 4097), to: "acme/large")
            #expect(symlink("../secret", directory.path + "/acme/link") == 0)
            #expect(mkfifo(directory.path + "/acme/pipe", 0o600) == 0)
            let node = try RunningNode(
                RunningNode.withAdmin + site.flags("a") + [
                    "--listen_upgrade", "127.0.0.1:0", "--acme_directory", directory.path + "/acme",
                ], in: directory)
            let client = try Client(of: node, port: node.upgradePort)
            let base = "/.well-known/acme-challenge/"
            let answer = try client.get(base + token)
            #expect(answer.status == 200 && answer.text == "answer.of-the-account")
            #expect(answer["content-type"] == "application/octet-stream")
            #expect(try client.get(base + token, method: "HEAD").status == 200)
            #expect(try client.get(base + "whole").body.count == 4096)
            let missing = [
                "", "none", "link", "pipe", "large", "below", "below/file", "with.dot", "../secret", "..%2Fsecret", ".",
                "..",
                "/\(token)", "%74oken_A-1", "\(token)/", String(repeating: "a", count: 129),
            ]
            for name in missing { try client.get(base + name).expectProblem(404, "not-found") }
            #expect(try client.post(base + token, json: "{}").status == 405)
            #expect(try client.get("/.well-known/other").status == 308)
            // Nowhere else.
            #expect(try node.connect().get(base + token).status == 404)
            for (kind, count) in [("challenge", 3), ("no_challenge", missing.count), ("redirect", 1)] {
                #expect(try node.sample("edge_upgrade_requests_total{answer=\"\(kind)\"}") == Double(count))
            }
        }
    }
}
