import Glibc

/// A PostgreSQL of our own: a new cluster with its default durability, on a socket in its directory, ended with the
/// value. `pgbench` runs one prepared INSERT of a link with 50 clients on it.
final class PostgreSQL {
    let name: String
    private let process: ChildProcess
    private let directory: String
    private let programs: String
    private let asUser: [String]
    private let script: String

    private static let clients = 50
    private static let versions = ["17", "16", "15", "14", "13"]

    /// Nil if it is not installed.
    init?(in work: WorkDirectory) throws {
        let homes = Self.versions.map { "/usr/lib/postgresql/\($0)/bin" }
        guard let server = findProgram("postgres", in: homes), findProgram("pgbench", in: homes) != nil else {
            return nil
        }
        programs = String(server[..<server.lastIndex(of: "/")!])
        directory = work.appending("postgresql")
        script = work.appending("insert.sql")
        mkdir(directory, 0o700)
        // It refuses to run as root.
        if getuid() == 0 {
            try runToEnd(["chown", "postgres:postgres", directory])
            asUser = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        } else {
            asUser = []
        }
        let version = try runToEnd([server, "--version"]).split { $0 == " " || $0 == "." || $0 == "\n" }
        name = "PostgreSQL \(version.first { Int($0) != nil } ?? "?"), \(Self.clients) clients"
        let data = directory + "/data"
        try runToEnd(asUser + ["\(programs)/initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"])
        process = try ChildProcess(
            asUser + [
                server, "-D", data, "-k", directory, "-c", "listen_addresses=",
                "-c", "max_connections=\(Self.clients + 20)",
            ])
        try awaitReadiness()
        let table = """
            CREATE TABLE links (code text PRIMARY KEY, long_url text NOT NULL, created_at timestamptz NOT NULL,
            expires_at timestamptz, is_active boolean NOT NULL)
            """
        try runToEnd(client("psql") + ["-q", "-c", table])
        try writeTextFile(
            script,
            """
            \\set id random(1, 9000000000000000000)
            INSERT INTO links VALUES (:id::text, \
            'https://example.com/very/long/path/that/is/typical?utm_source=x&id=' || :id::text, now(), NULL, true);

            """)
    }

    deinit { process.end(SIGINT) }

    private func client(_ program: String) -> [String] {
        asUser + ["\(programs)/\(program)", "-h", directory, "-U", "postgres"]
    }

    private func awaitReadiness() throws {
        for _ in 0..<300 {
            if process.hasEnded { throw LabError("PostgreSQL does not start in \(directory)") }
            if try ChildProcess(client("pg_isready") + ["-q"]).wait() == 0 { return }
            usleep(100_000)
        }
        throw LabError("PostgreSQL is not ready after 30 seconds")
    }

    /// `pgbench` counts in whole seconds.
    func measure(seconds: Double) throws -> WriteSample {
        let report = try runToEnd(
            client("pgbench") + [
                "-n", "-M", "prepared", "-f", script, "-c", "\(Self.clients)", "-j", "2",
                "-T", "\(max(1, Int(seconds.rounded())))", "postgres",
            ])
        for line in report.split(separator: "\n") where line.hasPrefix("tps = ") {
            if let rate = Double(line.split(separator: " ")[2]) { return WriteSample(perSecond: rate) }
        }
        throw LabError("pgbench did not say how much it did: \(report)")
    }
}
