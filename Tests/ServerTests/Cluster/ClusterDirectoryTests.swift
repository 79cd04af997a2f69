import COpenSSL
import Foundation
import Testing

/// `edge cluster`, as an operator runs it, and what OpenSSL says of what it makes.
@Suite(.serialized) struct ClusterDirectoryTests {
    private let directory = TemporaryDirectory()
    private var cluster: String { directory.path + "/cluster" }
    private let daySeconds = 86_400

    /// Runs `edge cluster`; what it printed.
    @discardableResult
    private func edge(_ arguments: String...) throws -> String {
        let made = try Finished(["cluster"] + arguments)
        guard made.ending == .exited(0) else { throw HarnessError(made.error) }
        return made.output
    }

    /// A cluster `prod` with a certificate of `eu/0`.
    private func set() throws {
        try edge("init", cluster, "--cluster", "prod")
        try edge("issue", cluster, "eu/0")
    }

    private func certificate(_ name: String) throws -> IssuedCertificate { try IssuedCertificate("\(cluster)/\(name)") }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test func makesACluster() throws {
        let printed = try edge("init", cluster, "--cluster", "prod")
        #expect(printed == "\(cluster): cluster.secret, code.secret, ca.pem and ca.key of the cluster prod\n")
        #expect(try Set(names(below: cluster)) == ["cluster.secret", "code.secret", "ca.pem", "ca.key"])
        #expect(mode(cluster) == 0o700)
        for name in ["cluster.secret", "code.secret", "ca.key"] { #expect(mode("\(cluster)/\(name)") == 0o600) }
        // An empty directory will do as well.
        let other = directory.path + "/other"
        directory.makeDirectories("other")
        try edge("init", other)
        let secrets = try [cluster, other].flatMap { path in
            try ["cluster", "code"].map { try readText("\(path)/\($0).secret") }
        }
        #expect(Set(secrets).count == 4)
        for secret in secrets { #expect(secret.wholeMatch(of: /[0-9a-f]{64}\n/) != nil) }
        #expect(try IssuedCertificate(other + "/ca.pem").subject == "O=default,CN=edge replication")
    }

    /// Whatever the shell's mask: keys are the owner's alone, and certificates may be read by the node's user.
    @Test(arguments: ["000", "077"]) func modes(mask: String) throws {
        for command in [["init", cluster], ["issue", cluster, "eu/0"], ["issue", cluster, "eu/0", "--renew"]] {
            let script = "umask \(mask); exec \"$0\" cluster \"$@\""
            #expect(try Finished(["-c", script, edgeBinary] + command, of: "/bin/sh").ending == .exited(0))
        }
        #expect(mode(cluster) == 0o700)
        for name in try names(below: cluster) {
            #expect(mode("\(cluster)/\(name)") == (name.hasSuffix(".pem") ? 0o644 : 0o600), "\(name)")
        }
    }

    @Test func authority() throws {
        try set()
        let authority = try certificate("ca.pem")
        #expect(authority.subject == "O=prod,CN=edge replication")
        #expect(authority.text(of: NID_basic_constraints) == "CA:TRUE, pathlen:0")
        #expect(authority.text(of: NID_key_usage) == "Certificate Sign, CRL Sign")
        #expect(authority.isCritical(NID_basic_constraints) && authority.isCritical(NID_key_usage))
        #expect(authority.hasKey(of: cluster + "/ca.key"))
        #expect(authority.end - authority.begin == 3650 * daySeconds + 3600)
        #expect(authority.verdict(of: authority, X509_PURPOSE_ANY, at: authority.end - 1) == "ok")
    }

    /// It is a certificate for both ends of a connection, from an hour ago to its end, of this authority and no other.
    @Test func certificateOfANode() throws {
        try set()
        let (authority, node) = (try certificate("ca.pem"), try certificate("eu-0.pem"))
        for purpose in [X509_PURPOSE_SSL_CLIENT, X509_PURPOSE_SSL_SERVER] {
            for time in [node.begin, node.begin + 3600, node.end - 1] {
                #expect(node.verdict(of: authority, purpose, at: time) == "ok")
            }
            #expect(node.verdict(of: authority, purpose, at: node.end + 1) == "certificate has expired")
            #expect(node.verdict(of: authority, purpose, at: node.begin - 1) == "certificate is not yet valid")
        }
        #expect(
            node.verdict(of: authority, X509_PURPOSE_SMIME_SIGN, at: node.begin) == "unsuitable certificate purpose")
        try edge("init", directory.path + "/other", "--cluster", "prod")
        let stranger = try IssuedCertificate(directory.path + "/other/ca.pem")
        #expect(node.verdict(of: stranger, X509_PURPOSE_SSL_SERVER, at: node.begin) != "ok")
        #expect(node.subject == "O=prod,CN=eu/0")
        #expect(node.text(of: NID_subject_alt_name) == "URI:edge://prod/eu/0")
        #expect(node.text(of: NID_ext_key_usage) == "TLS Web Client Authentication, TLS Web Server Authentication")
        #expect(node.text(of: NID_basic_constraints) == "CA:FALSE" && X509_check_ca(node.handle) == 0)
        #expect(node.text(of: NID_key_usage) == "Digital Signature" && node.isCritical(NID_key_usage))
        #expect(node.end - node.begin == 825 * daySeconds + 3600)
        #expect(abs(node.begin + 3600 - time(nil)) <= 60)
        #expect(node.hasKey(of: cluster + "/eu-0.key"))
        #expect(mode(cluster + "/eu-0.key") == 0o600)
    }

    @Test func serialNumbersAreRandom() throws {
        try set()
        for node in 1...3 { try edge("issue", cluster, "eu/\(node)", "--days", "1") }
        let serials = try ["ca", "eu-0", "eu-1", "eu-2", "eu-3"].map { try certificate("\($0).pem").serial }
        #expect(Set(serials).count == 5 && serials.allSatisfy { $0.utf8.count == 32 }, "\(serials)")
        let short = try certificate("eu-3.pem")
        #expect(short.end - short.begin == daySeconds + 3600)
    }

    /// A certificate never outlives its authority, and one that has ended signs none.
    @Test func endOfTheAuthority() throws {
        try set()
        let end = time(nil) + 10 * daySeconds
        try IssuedCertificate.change(cluster + "/ca.pem", signing: cluster + "/ca.key") {
            ASN1_TIME_set(X509_getm_notAfter($0), end)
        }
        let printed = try edge("issue", cluster, "eu/1")
        #expect(try certificate("eu-1.pem").end == end)
        #expect(printed.hasPrefix("\(cluster)/eu-1.pem: edge://prod/eu/1 until 20"), "\(printed)")
        try IssuedCertificate.change(cluster + "/ca.pem", signing: cluster + "/ca.key") {
            ASN1_TIME_set(X509_getm_notAfter($0), end - 20 * daySeconds)
        }
        let refused = try Finished(["cluster", "issue", cluster, "eu/2"])
        #expect(refused.ending == .exited(1) && refused.error.contains("ca.pem has ended"), "\(refused.error)")
        #expect(try !names(below: cluster).contains { $0.hasPrefix("eu-2") })
    }

    /// The key stays, so that what a node has goes on working with either certificate.
    @Test func renewal() throws {
        try set()
        let (old, key) = (try certificate("eu-0.pem"), try readText(cluster + "/eu-0.key"))
        // What an interrupted renewal left.
        _ = directory.write("half", to: "cluster/eu-0.pem.new")
        let printed = try edge("issue", cluster, "eu/0", "--renew", "--days", "30")
        let new = try certificate("eu-0.pem")
        #expect(printed.contains("eu-0.pem: edge://prod/eu/0 until "))
        #expect(new.serial != old.serial && new.end < old.end && new.hasKey(of: cluster + "/eu-0.key"))
        #expect(try readText(cluster + "/eu-0.key") == key)
        #expect(try !names(below: cluster).contains("eu-0.pem.new"))
        let authority = try certificate("ca.pem")
        #expect(new.verdict(of: authority, X509_PURPOSE_SSL_CLIENT, at: new.end - 1) == "ok")
    }

    private struct Fault: CustomTestStringConvertible {
        let testDescription: String
        let arguments: [String]
        let reason: String
        /// Of the directory of a cluster, and the test's.
        var cause: @Sendable (String, TemporaryDirectory) throws -> Void = { _, _ in }
    }

    private static func remove(_ name: String) -> @Sendable (String, TemporaryDirectory) throws -> Void {
        { cluster, _ in precondition(unlink("\(cluster)/\(name)") == 0) }
    }

    private static func put(
        _ text: String, to name: String, mode: mode_t = 0o600
    ) -> @Sendable (String, TemporaryDirectory) throws -> Void {
        { _, directory in _ = directory.write(text, to: "cluster/" + name, mode: mode) }
    }

    private static let issue = ["issue", "DIR", "eu/1"]
    private static let text = String(repeating: "no key and no certificate ", count: 4)
    private static let faults = [
        Fault(
            testDescription: "a cluster is there", arguments: ["init", "DIR"], reason: "cluster.secret is there already"
        ),
        Fault(
            testDescription: "a part of one is there", arguments: ["init", "DIR"], reason: "ca.key is there already",
            cause: { cluster, _ in
                for name in ["cluster.secret", "code.secret", "ca.pem"] { unlink("\(cluster)/\(name)") }
            }),
        Fault(
            testDescription: "a file above", arguments: ["init", "DIR/ca.pem/x"], reason: "ca.pem/x: Not a directory"),
        Fault(testDescription: "a file", arguments: ["init", "DIR/ca.pem"], reason: "Not a directory"),
        Fault(testDescription: "nothing above", arguments: ["init", "DIR/a/b"], reason: "a/b: No such file"),
        Fault(testDescription: "not writable", arguments: ["init", "/proc/edge"], reason: "/proc/edge: No such file"),
        Fault(
            testDescription: "no directory", arguments: ["issue", "DIR/a", "eu/1"], reason: "a/ca.pem: No such file"),
        Fault(
            testDescription: "no authority", arguments: issue, reason: "ca.pem: No such file", cause: remove("ca.pem")),
        Fault(testDescription: "no key", arguments: issue, reason: "ca.key: No such file", cause: remove("ca.key")),
        Fault(
            testDescription: "a certificate is there", arguments: ["issue", "DIR", "eu/0"],
            reason: "eu-0.key is there already"),
        Fault(
            testDescription: "without its key", arguments: ["issue", "DIR", "eu/0"],
            reason: "eu-0.pem is there already",
            cause: remove("eu-0.key")),
        Fault(
            testDescription: "nothing to renew", arguments: issue + ["--renew"], reason: "eu-1.key: No such file"),
        Fault(
            testDescription: "a damaged key to renew", arguments: ["issue", "DIR", "eu/0", "--renew"],
            reason: "eu-0.key: it holds no private key", cause: put(text, to: "eu-0.key")),
        Fault(
            testDescription: "a key that others read", arguments: issue, reason: "ca.key: others may read",
            cause: { cluster, _ in chmod(cluster + "/ca.key", 0o644) }),
        Fault(
            testDescription: "an authority that others write", arguments: issue, reason: "ca.pem: others may write",
            cause: { cluster, _ in chmod(cluster + "/ca.pem", 0o664) }),
        Fault(
            testDescription: "a short key", arguments: issue, reason: "ca.key: it has 5 bytes",
            cause: put("short", to: "ca.key")),
        Fault(
            testDescription: "a damaged key", arguments: issue, reason: "ca.key holds no private key",
            cause: put(text, to: "ca.key")),
        Fault(
            testDescription: "a key with a flipped letter", arguments: issue, reason: "ca.key",
            cause: { cluster, directory in
                let lines = try readText(cluster + "/ca.key").split(separator: "\n")
                let (kept, rest) = (lines[1].dropLast(8), lines[1].suffix(8))
                let flipped = kept + (rest.first == "A" ? "B" : "A") + rest.dropFirst()
                _ = directory.write("\(lines[0])\n\(flipped)\n\(lines[2])\n", to: "cluster/ca.key")
            }),
        Fault(
            testDescription: "a key behind a pass phrase", arguments: issue, reason: "ca.key holds no private key",
            cause: { cluster, _ in try IssuedCertificate.encrypt(cluster + "/ca.key") }),
        Fault(
            testDescription: "another key", arguments: issue, reason: "ca.key is not the key of ca.pem",
            cause: { cluster, directory in
                _ = directory.write(try readText(cluster + "/eu-0.key"), to: "cluster/ca.key")
            }),
        Fault(
            testDescription: "a damaged authority", arguments: issue, reason: "ca.pem holds no certificate",
            cause: put(text, to: "ca.pem")),
        Fault(
            testDescription: "a node's certificate in place of the authority's", arguments: issue,
            reason: "ca.pem holds no certificate of an authority",
            cause: { cluster, directory in
                _ = directory.write(try readText(cluster + "/eu-0.pem"), to: "cluster/ca.pem")
            }),
        Fault(
            testDescription: "an authority of no cluster", arguments: issue, reason: "ca.pem names no cluster",
            cause: { cluster, _ in
                try IssuedCertificate.change(cluster + "/ca.pem", signing: cluster + "/ca.key") {
                    X509_NAME_ENTRY_free(X509_NAME_delete_entry(X509_get_subject_name($0), 0))
                }
            }),
        Fault(
            testDescription: "an authority of a cluster with an impossible name", arguments: issue,
            reason: "ca.pem names no cluster",
            cause: { cluster, _ in
                try IssuedCertificate.change(cluster + "/ca.pem", signing: cluster + "/ca.key") {
                    let name = X509_get_subject_name($0)
                    X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, 0))
                    X509_NAME_add_entry_by_NID(name, NID_organizationName, 0x1000, "a/b", -1, 0, 0)
                }
            }),
    ]

    /// Each is told with its file, and nothing is made or changed.
    @Test(arguments: faults) private func refused(fault: Fault) throws {
        try set()
        try fault.cause(cluster, directory)
        func content() throws -> [String: String] {
            Dictionary(uniqueKeysWithValues: try names(below: cluster).map { ($0, try readText("\(cluster)/\($0)")) })
        }
        let before = try content()
        let outcome = try Finished(["cluster"] + fault.arguments.map { $0.replacing("DIR", with: cluster) })
        #expect(outcome.ending == .exited(1) && outcome.output.isEmpty)
        #expect(outcome.error.hasPrefix("edge cluster: ") && outcome.error.contains(fault.reason), "\(outcome.error)")
        #expect(try content() == before)
    }

    /// A disk that takes nothing: no half of a cluster is left, and no half of a node.
    @Test(arguments: [["init"], ["issue", "eu/1"], ["issue", "eu/0", "--renew"]])
    func fullDisk(command: [String]) throws {
        if command[0] != "init" { try set() }
        let before = (try? Set(names(below: cluster))) ?? []
        let old = try? readText(cluster + "/eu-0.pem")
        let arguments = ["cluster", command[0], cluster] + command.dropFirst()
        let outcome = try Finished(["-c", "ulimit -f 0; exec \"$0\" \"$@\"", edgeBinary] + arguments, of: "/bin/sh")
        #expect(outcome.ending == .exited(1) && outcome.error.contains("File too large"), "\(outcome.error)")
        #expect(try Set(names(below: cluster)) == before)
        #expect((try? readText(cluster + "/eu-0.pem")) == old)
    }
}
