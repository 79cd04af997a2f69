import FoundationEssentials
import Glibc

/// The unit that `edge systemd-unit` prints, for systemd 252 (Debian 12) and later.
///
/// The service has a user of its own without any right but to bind ports below 1024, sees a file system on which it can
/// write its own directories alone, and may make the system calls of an ordinary service alone. Files with secrets stay
/// root's: systemd copies them to where only the service reads them.
package struct SystemdUnit {
    /// How long a thread may stand still before systemd starts the node anew.
    private static let watchdogSeconds = 30
    /// Beyond `drain_timeout`: for the last writes.
    private static let stopMarginSeconds: Int64 = 20
    /// What systemd makes for the service, and gives it.
    private static let stateDirectory = "/var/lib/edge"
    private static let logsDirectory = "/var/log/edge"

    /// Why no unit can be made.
    package struct Refusal: Error, CustomStringConvertible {
        package let description: String
    }

    package let text: String

    /// - Parameters:
    ///   - program: the binary's absolute path.
    ///   - directory: the current one, from which the paths of the command line count.
    package init(
        _ source: ConfigurationSource, _ configuration: Configuration, program: String, directory: String
    ) throws(Refusal) {
        let outside = Self.outside(configuration)
        if configuration.user == nil, let data = outside.first(where: { $0 == Self.dataDirectory(configuration) }) {
            throw Refusal(
                description: "data = \(data) is outside \(Self.stateDirectory), and the unit's user changes; "
                    + "leave data relative, or name a user who owns the directory: user = NAME")
        }
        let command = Self.command(source, configuration, program: program, directory: directory)
        text =
            Self.head + "ExecStart=" + command.map(Self.word).joined(separator: " ") + "\n"
            + Self.running(configuration)
            + Self.credentials(configuration, directory).map { "LoadCredential=\($0)\n" }.joined()
            + Self.directories(outside) + Self.sandbox
    }

    private static let head = """
        [Unit]
        Description=edge, a URL shortener
        After=network-online.target
        Wants=network-online.target
        # Ten starts in five minutes, then it stays down.
        StartLimitIntervalSec=300
        StartLimitBurst=10

        [Service]
        Type=notify
        NotifyAccess=main

        """

    private static func running(_ configuration: Configuration) -> String {
        let stopSeconds = (configuration.drainTimeoutMilliseconds + 999) / 1000 + stopMarginSeconds
        return """
            ExecReload=/bin/kill -HUP $MAINPID
            Restart=always
            RestartSec=1
            # A wrong command line or configuration is not mended by another start.
            RestartPreventExitStatus=64 78
            WatchdogSec=\(watchdogSeconds)
            TimeoutStartSec=120
            TimeoutStopSec=\(stopSeconds)
            LimitNOFILE=1048576
            TasksMax=1024
            \(user(configuration))

            """
    }

    private static func user(_ configuration: Configuration) -> String {
        guard let user = configuration.user else { return "DynamicUser=yes" }
        let parts = user.split(separator: ":")
        return "User=\(parts[0])" + (parts.count == 2 ? "\nGroup=\(parts[1])" : "")
    }

    /// The same file and flags. Secrets come from systemd's copies, and flags win.
    private static func command(
        _ source: ConfigurationSource, _ configuration: Configuration, program: String, directory: String
    ) -> [String] {
        var words = [program, "serve"].map(escaped)
        if let file = source.file { words += ["--config", escaped(absolute(file, directory))] }
        for flag in source.flags where ConfigurationKey.named(flag.key)?.namesSecret != true {
            words += ["--" + flag.key, escaped(flag.value)]
        }
        for key in secrets(configuration) {
            words += ["--" + key.name, files(key, configuration).map { "%d/" + $0.name }.joined(separator: ",")]
        }
        return words
    }

    private static func secrets(_ configuration: Configuration) -> [ConfigurationKey] {
        ConfigurationKey.all.filter { $0.namesSecret && $0.write(configuration) != "none" }
    }

    private static func credentials(_ configuration: Configuration, _ directory: String) -> [String] {
        secrets(configuration).flatMap { files($0, configuration) }.map { name, path in
            "\(name):\(escaped(absolute(path, directory)))"
        }
    }

    /// The files that a key names, and what the service knows them by.
    private static func files(
        _ key: ConfigurationKey, _ configuration: Configuration
    ) -> [(name: String, path: String)] {
        guard key.name == "tls_key", configuration.tlsKeys.count > 1 else {
            return [(key.name, key.write(configuration))]
        }
        return configuration.tlsKeys.enumerated().map { ("\(key.name)-\($0)", $1) }
    }

    /// What the node writes to and systemd does not make for it.
    private static func outside(_ configuration: Configuration) -> [String] {
        var paths = [dataDirectory(configuration)]
        if case .file(let path) = configuration.accessLog {
            paths.append(
                String(absolute(path, stateDirectory).split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }))
        }
        return paths.filter { path in
            ![stateDirectory, logsDirectory].contains { path == $0 || path.hasPrefix($0 + "/") }
        }
    }

    private static func dataDirectory(_ configuration: Configuration) -> String {
        absolute(configuration.data, stateDirectory)
    }

    /// Relative paths of the configuration count from the state directory.
    private static func directories(_ outside: [String]) -> String {
        """
        StateDirectory=edge
        StateDirectoryMode=0700
        LogsDirectory=edge
        LogsDirectoryMode=0750
        WorkingDirectory=\(stateDirectory)
        UMask=0077

        """ + outside.map { "ReadWritePaths=\(word(escaped($0)))\n" }.joined()
    }

    /// systemd.exec(5). `%` and `$` have no meaning of their own here.
    private static let sandbox = """
        # The one right that is left: to bind ports below 1024.
        AmbientCapabilities=CAP_NET_BIND_SERVICE
        CapabilityBoundingSet=CAP_NET_BIND_SERVICE
        NoNewPrivileges=yes
        ProtectSystem=strict
        ProtectHome=yes
        PrivateTmp=yes
        PrivateDevices=yes
        DevicePolicy=closed
        ProtectProc=invisible
        ProcSubset=pid
        ProtectClock=yes
        ProtectHostname=yes
        ProtectControlGroups=yes
        ProtectKernelLogs=yes
        ProtectKernelModules=yes
        ProtectKernelTunables=yes
        RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        LockPersonality=yes
        MemoryDenyWriteExecute=yes
        RemoveIPC=yes
        KeyringMode=private
        SystemCallArchitectures=native
        SystemCallFilter=@system-service
        SystemCallFilter=~@privileged @keyring @memlock
        SystemCallErrorNumber=EPERM

        [Install]
        WantedBy=multi-user.target

        """

    private static func absolute(_ path: String, _ directory: String) -> String {
        let parts = (path.hasPrefix("/") ? path : directory + "/" + path).split(separator: "/")
        return parts.filter { $0 != "." }.reduce("") { $0 + "/" + $1 }
    }

    /// A `%` would begin a specifier (systemd.unit(5)).
    private static func escaped(_ text: String) -> String { text.replacing("%", with: "%%") }

    /// A word of a command line (systemd.service(5)).
    private static func word(_ text: String) -> String {
        let plain = text.replacing("$", with: "$$")
        guard plain.isEmpty || plain.unicodeScalars.contains(where: { " \t\"'\\;".unicodeScalars.contains($0) }) else {
            return plain
        }
        return "\"" + plain.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

/// `edge systemd-unit`. Returns the exit status.
package func runSystemdUnit(_ source: ConfigurationSource, _ configuration: Configuration) -> Int32 {
    guard let program = realpath("/proc/self/exe", nil), let directory = getcwd(nil, 0) else {
        StandardStream.error.write(
            "edge: where the program stands cannot be told: \(String(cString: strerror(errno)))\n")
        return ExitStatus.failed
    }
    defer {
        free(program)
        free(directory)
    }
    let unit: SystemdUnit
    do throws(SystemdUnit.Refusal) {
        unit = try SystemdUnit(
            source, configuration, program: String(cString: program), directory: String(cString: directory))
    } catch {
        StandardStream.error.write("edge: \(error)\n")
        return ExitStatus.wrongConfiguration
    }
    if ["/home", "/root", "/tmp", "/run/user"].contains(where: { String(cString: program).hasPrefix($0) }) {
        StandardStream.error.write(
            "edge: the service will not see \(String(cString: program)); install it, such as in /usr/local/bin\n")
    }
    return StandardStream.output.write(unit.text) ? ExitStatus.done : ExitStatus.failed
}
