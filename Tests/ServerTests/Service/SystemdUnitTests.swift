import Foundation
import Server
import Testing

@Suite struct SystemdUnitTests {
    private static let analyze = "/usr/bin/systemd-analyze"
    private static let hasAnalyze = access(analyze, X_OK) == 0

    private static let clusterFlags = [
        "--cluster_secret_file", "cluster.secret", "--replication_tls_certificate", "/etc/edge/eu-0.pem",
        "--replication_tls_key", "/etc/edge/eu-0.key", "--replication_tls_ca", "/etc/edge/ca.pem",
    ]

    private func source(_ arguments: [String]) throws -> ConfigurationSource {
        guard case .systemdUnit(let source) = try Command.parse(["systemd-unit"] + arguments) else {
            throw HarnessError("another command")
        }
        return source
    }

    private func unit(_ arguments: [String], program: String = "/usr/local/bin/edge") throws -> [String] {
        let source = try source(arguments)
        let unit = try SystemdUnit(source, try source.load(), program: program, directory: "/srv/edge")
        return unit.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test func whatItRuns() throws {
        let lines = try unit([])
        for line in [
            "Type=notify", "ExecStart=/usr/local/bin/edge serve", "ExecReload=/bin/kill -HUP $MAINPID",
            "WatchdogSec=30",
            "Restart=always", "RestartPreventExitStatus=64 78", "DynamicUser=yes", "StateDirectory=edge",
            "WorkingDirectory=/var/lib/edge", "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes",
            "CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "MemoryDenyWriteExecute=yes",
            "SystemCallFilter=@system-service",
        ] { #expect(lines.contains(line), "\(line)") }
        #expect(!lines.contains { $0.hasPrefix("LoadCredential") || $0.hasPrefix("ReadWritePaths") })
        for (start, line) in lines.enumerated() where line.hasPrefix("[") {
            #expect(["[Unit]", "[Service]", "[Install]"].contains(line), "line \(start)")
        }
    }

    /// Flags, and a line that follows from them.
    @Test(arguments: [
        (["--node", "3"], "ExecStart=/usr/local/bin/edge serve --node 3"),
        (["--drain_timeout", "2500ms"], "TimeoutStopSec=23"),
        (["--drain_timeout", "1h"], "TimeoutStopSec=3620"),
        (["--user", "edge"], "User=edge"), (["--user", "edge:web"], "Group=web"),
        (["--user", "edge", "--data", "/srv/data"], "ReadWritePaths=/srv/data"),
        (["--access_log", "/var/log/edge/access.log"], "LogsDirectory=edge"),
        (["--access_log", "/srv/log/access.log"], "ReadWritePaths=/srv/log"),
        (
            ["--code_secret_file", "my secret"],
            "ExecStart=/usr/local/bin/edge serve --code_secret_file %d/code_secret_file"
        ),
        (["--code_secret_file", "my secret"], "LoadCredential=code_secret_file:/srv/edge/my secret"),
        (clusterFlags, "LoadCredential=cluster_secret_file:/srv/edge/cluster.secret"),
        (clusterFlags, "LoadCredential=replication_tls_key:/etc/edge/eu-0.key"),
        (
            clusterFlags,
            "ExecStart=/usr/local/bin/edge serve --replication_tls_certificate /etc/edge/eu-0.pem "
                + "--replication_tls_ca /etc/edge/ca.pem --cluster_secret_file %d/cluster_secret_file "
                + "--replication_tls_key %d/replication_tls_key"
        ),
        (["--tls_certificate", "a", "--tls_key", "/k"], "LoadCredential=tls_key:/k"),
        (["--tls_certificate", "a, b", "--tls_key", "/k, m"], "LoadCredential=tls_key-1:/srv/edge/m"),
        (
            ["--tls_certificate", "a, b", "--tls_key", "/k, m"],
            "ExecStart=/usr/local/bin/edge serve --tls_certificate \"a, b\" --tls_key %d/tls_key-0,%d/tls_key-1"
        ),
        (
            ["--user", "edge", "--data", "/srv/a b\"c$d%e"],
            #"ExecStart=/usr/local/bin/edge serve --user edge --data "/srv/a b\"c$$d%%e""#
        ),
    ])
    func follows(arguments: [String], line: String) throws { #expect(try unit(arguments).contains(line)) }

    @Test func noDataOutsideForAUserThatChanges() throws {
        let source = try source(["--data", "/srv/data"])
        #expect(throws: SystemdUnit.Refusal.self) {
            try SystemdUnit(source, try source.load(), program: "/usr/local/bin/edge", directory: "/")
        }
        let command = try Finished(["systemd-unit", "--data", "/srv/data"])
        #expect(command.ending == .exited(78) && command.output.isEmpty)
        #expect(command.error.contains("data = /srv/data is outside /var/lib/edge"))
    }

    /// The command names the program where it really stands, and the file by its whole path.
    @Test func command() throws {
        let directory = TemporaryDirectory()
        let file = directory.write("drain_timeout = 15s\n", to: "edge.conf")
        let command = try Finished(["systemd-unit", "--config", file])
        #expect(command.ending == .exited(0))
        #expect(command.output.contains("\nExecStart=\(edgeBinary) serve --config \(file)\n"))
        #expect(command.output.contains("\nTimeoutStopSec=35\n"))
        let wrong = try Finished(["systemd-unit", "--config", directory.write("x = 1\n", to: "wrong.conf")])
        #expect(wrong.ending == .exited(78) && wrong.output.isEmpty && wrong.error.contains("unknown key"))
    }

    /// systemd's own opinion: no complaint, and hardly any exposure.
    @Test(
        .enabled(if: hasAnalyze, "Debian's package systemd has systemd-analyze"),
        arguments: [
            [], ["--code_secret_file", "/etc/edge/secret", "--access_log", "/var/log/edge/access.log"],
            ["--user", "daemon", "--data", "/srv/edge data"],
        ])
    func verified(arguments: [String]) throws {
        let directory = TemporaryDirectory()
        let text = try unit(arguments, program: edgeBinary).joined(separator: "\n")
        let file = directory.write(text, to: "edge.service")
        let verified = try Finished(["verify", "--man=no", file], of: Self.analyze)
        #expect(verified.ending == .exited(0) && !verified.error.contains("edge.service"), "\(verified.error)")
        let security = try Finished(["security", "--offline=true", "--threshold=20", file], of: Self.analyze)
        #expect(security.ending == .exited(0), "\(security.output.suffix(200))")
    }
}

extension NodeTests {
    @Suite struct SystemCallFilter {
        private static let (analyze, strace) = ("/usr/bin/systemd-analyze", "/usr/bin/strace")

        /// The calls of a set, and of the sets in it.
        private func calls(_ set: String) throws -> Set<String> {
            let listing = try Finished(["syscall-filter", set], of: Self.analyze)
            guard listing.ending == .exited(0) else { throw HarnessError(listing.error) }
            let words = listing.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
                .filter { !$0.hasPrefix("#") && !$0.isEmpty && $0 != set }
            return try words.reduce(into: []) { calls, word in
                if word.hasPrefix("@") { calls.formUnion(try self.calls(word)) } else { calls.insert(word) }
            }
        }

        /// Every system call of a whole life is in the unit's filter, and no page of memory is made executable that could
        /// be written.
        @Test(
            .enabled(
                if: access(analyze, X_OK) == 0 && access(strace, X_OK) == 0, "needs systemd-analyze and strace"))
        func allowsAWholeLife() throws {
            let directory = TemporaryDirectory()
            let trace = directory.path + "/trace"
            let file = directory.write("access_log = \(directory.path)/access.log\n", to: "edge.conf")
            let socket = NotifySocket(directory.path + "/notify")
            let node = try RunningNode(
                ["--config", file, "--admin_listen", "127.0.0.1:0"], in: directory,
                limits: socket.environment(watchdogMicroseconds: 200_000)
                    + "; exec \(Self.strace) -f -o '\(trace)' \"$0\" \"$@\"; exit")
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            for path in ["/\(code)", "/missing", "/health", "/api/v1/urls/\(code)"] { try client.get(path) }
            _ = try node.connectToAdmin().get("/metrics")
            while try socket.nextOfAll() != ["WATCHDOG=1"] {}
            // strace passes no signals on: its child is the node.
            let child = try #require(
                pid_t(try readText("/proc/\(node.child.pid)/task/\(node.child.pid)/children").split(separator: " ")[0]))
            kill(child, SIGHUP)
            _ = try node.log.next("event=reload ")
            kill(child, SIGTERM)
            #expect(node.child.wait() == .exited(0))
            let lines = try readText(trace).split(separator: "\n")
            let used = Set(lines.compactMap { $0.firstMatch(of: /^\d+ +([a-z_0-9]+)\(/).map { String($0.1) } })
            #expect(used.isSuperset(of: ["epoll_pwait", "sendto", "accept4"]))
            var allowed = try calls("@system-service")
            for set in ["@privileged", "@keyring", "@memlock"] { allowed.subtract(try calls(set)) }
            // What every process may do, and what starts it.
            allowed.formUnion(try calls("@default"))
            allowed.insert("execve")
            #expect(used.subtracting(allowed).isEmpty, "\(used.subtracting(allowed).sorted())")
            let writableCode = lines.filter {
                $0.contains("PROT_WRITE|PROT_EXEC") || $0.contains("mprotect") && $0.contains("PROT_EXEC")
            }
            #expect(writableCode.isEmpty, "\(writableCode)")
        }
    }
}
