import COpenSSL
import Foundation
import Glibc
import Server
import Testing

extension NodeTests.HTTPS {
    /// Certificates come and go while the node serves.
    @Suite struct Certificates {
        /// A node of a file that names the pairs of `a` and `b`.
        private final class Subject {
            var site = SecureSite("a", "b")
            let node: RunningNode
            private let file: String

            init(_ more: String = "") throws {
                file = site.directory.write(Self.text(site, more), to: "edge.conf")
                node = try RunningNode(
                    ["--config", file, "--listen_tls", "127.0.0.1:0"] + RunningNode.withAdmin, in: site.directory)
            }

            private static func text(_ site: SecureSite, _ more: String) -> String {
                """
                tls_certificate = \(site.certificate("a")), \(site.certificate("b"))
                tls_key = \(site.key("a")), \(site.key("b"))
                \(more)
                """
            }

            func reload(_ more: String = "", until end: String = "event=reload ") throws -> [String] {
                _ = site.directory.write(Self.text(site, more), to: "edge.conf")
                let before = node.log.seen.count
                node.child.signal(SIGHUP)
                _ = try node.log.next(end)
                return node.log.told(since: before)
            }

            func shows(_ identity: TestAuthority.Identity, for name: String) throws -> Bool {
                try SecureClient(open: node, SecureClient.Settings(name: name)).isShown(identity)
            }
        }

        /// A connection keeps what it began with; the next one has the new certificate.
        @Test func reload() throws {
            let subject = try Subject()
            let (old, client) = (
                subject.site.identities["b"]!, try SecureClient(open: subject.node, .init(name: "b.example"))
            )
            #expect(client.isShown(old))
            subject.site.issue("b")
            #expect(try subject.reload().last!.contains("changed=0"))
            let new = subject.site.identities["b"]!
            #expect(try subject.shows(new, for: "b.example") && !subject.shows(old, for: "b.example"))
            #expect(try subject.shows(subject.site.identities["a"]!, for: "a.example"))
            #expect(try client.get("/health").status == 200)
            // What was agreed on before is taken up all the same.
            #expect(try SecureClient(open: subject.node, .init(name: "b.example", session: client.session)).isResumed)
        }

        /// What does not go together, or cannot be read, changes nothing; the file is named.
        @Test func wrongAtReload() throws {
            let subject = try Subject("redirect_status = 301")
            let good = subject.site.identities["a"]!
            let (certificate, key) = (subject.site.certificate("a"), subject.site.key("a"))
            for (path, text, reason) in [
                (certificate, String(repeating: "nonsense ", count: 10), "it holds no certificate in PEM"),
                (key, String(repeating: "nonsense ", count: 10), "it holds no private key in PEM"),
                (key, try readText(subject.site.key("b")), "it is not the key of the certificate in \(certificate)"),
                (certificate, "short", "it has 5 bytes"),
            ] {
                let before = try readText(path)
                let mode: mode_t = path == key ? 0o600 : 0o644
                let name = String(path.split(separator: "/").last!)
                _ = subject.site.directory.write(text, to: name, mode: mode)
                let said = try subject.reload("redirect_status = 308", until: "event=reload-failed")
                #expect(
                    said.contains { $0.contains("event=reload-problem") && $0.contains("\(path): \(reason)") },
                    "\(said)")
                #expect(try subject.shows(good, for: "a.example"))
                _ = subject.site.directory.write(before, to: name, mode: mode)
            }
            // Others may not have the key.
            chmod(key, 0o644)
            let said = try subject.reload(until: "event=reload-failed")
            #expect(said.contains { $0.contains("\(key): others may read") }, "\(said)")
            chmod(key, 0o600)
            #expect(try subject.reload("redirect_status = 308").last!.contains("changed=1"))
        }

        /// Without a signal: once both files are there. What does not fit is said once, and mended.
        @Test func fileChanges() throws {
            let subject = try Subject()
            let client = try SecureClient(open: subject.node)
            let old = subject.site.identities["a"]!
            subject.site.issue("a")
            let new = subject.site.identities["a"]!
            #expect(try subject.node.log.next("event=tls-certificates-read").contains("level=info"))
            #expect(try subject.shows(new, for: "a.example") && !subject.shows(old, for: "a.example"))
            _ = subject.site.directory.write(String(decoding: old.key, as: UTF8.self), to: "a.key")
            let refused = try subject.node.log.next("event=tls-certificates-refused")
            #expect(refused.contains("level=error") && refused.contains(subject.site.key("a")), "\(refused)")
            #expect(try subject.shows(new, for: "a.example"))
            // A file in its place, as renewing programs do it.
            let other = subject.site.directory.write(String(decoding: new.key, as: UTF8.self), to: "new.key")
            #expect(rename(other, subject.site.key("a")) == 0)
            #expect(try subject.node.log.next("event=tls-certificates-").contains("-read"))
            #expect(try client.get("/health").status == 200)
        }

        /// One that nobody is shown is told of.
        @Test func unused() throws {
            let subject = try Subject()
            let event = "event=tls-certificate-unused"
            #expect(try !subject.reload().contains { $0.contains(event) })
            subject.site.issue("b", as: "a")
            let said = try subject.reload().filter { $0.contains(event) }
            let file = subject.site.certificate("b")
            #expect(!said.isEmpty && said.allSatisfy { $0.contains("level=warning") && $0.contains(file) }, "\(said)")
            let check = try Finished(["check"] + subject.site.flags("a", "b"))
            #expect(
                check.ending == .exited(0) && check.error.contains("\(file): no client is shown"), "\(check.error)")
        }

        /// At the start it is an error of the configuration, which `check` finds too.
        @Test func wrongAtStart() throws {
            let site = SecureSite("a", "b")
            let data = ["--data", site.directory.path + "/other", "--listen", "127.0.0.1:0", "--admin_listen", "off"]
            let mixed = [
                "--listen_tls", "127.0.0.1:0", "--tls_certificate", site.certificate("a"), "--tls_key", site.key("b"),
            ]
            let missing = [
                "--listen_tls", "127.0.0.1:0", "--tls_certificate", site.certificate("a"), "--tls_key",
                "/nonexistent/x",
            ]
            for (flags, reason) in [
                (mixed, "\(site.key("b")): it is not the key of the certificate in \(site.certificate("a"))"),
                (missing, "/nonexistent/x: No such file or directory"),
            ] {
                for command in ["serve", "check"] {
                    let run = try Finished([command] + data + flags)
                    #expect(run.ending == .exited(78) && run.error.contains(reason), "\(run.error)")
                }
            }
            // A port that another has.
            let node = try RunningNode(site.flags("a"), in: site.directory)
            let taken = try Finished(
                ["serve"] + data + [
                    "--listen_tls", "127.0.0.1:\(node.tlsPort)", "--tls_certificate", site.certificate("a"),
                    "--tls_key",
                    site.key("a"),
                ])
            #expect(
                taken.ending == .exited(1) && taken.error.contains("choose another with --listen_tls"), "\(taken.error)"
            )
        }

        /// One that ends soon, or has ended, is told of and counted, and shown all the same.
        @Test func ends() throws {
            var site = SecureSite("a")
            site.issue("soon", days: -1...13)
            site.issue("over", days: -10...(-1))
            let node = try RunningNode(RunningNode.withAdmin + site.flags("a", "soon", "over"), in: site.directory)
            for name in ["soon", "over"] {
                let line = try node.log.next("event=tls-certificate-ends")
                #expect(line.contains("level=warning") && line.contains(site.certificate(name)), "\(line)")
                #expect(line.contains("name=\(name).example"), "\(line)")
            }
            let now = Double(time(nil))
            for (name, days) in [("a", 60.0), ("soon", 13), ("over", -1)] {
                let end = try node.sample("edge_tls_certificate_not_after_seconds{name=\"\(name).example\"}")
                #expect(abs(end - now - days * 86_400) < 3600)
                #expect(try SecureClient(open: node, .init(name: "\(name).example")).isShown(site.identities[name]!))
            }
            node.log.gather()
            #expect(node.log.seen.count { $0.contains("event=tls-certificate-ends") } == 2)
        }
    }
}
