extension CommandName {
    /// How the command is written.
    package var synopsis: String {
        switch self {
        case .serve: "edge serve [--config FILE] [--KEY VALUE …]"
        case .check: "edge check [--config FILE] [--KEY VALUE …]"
        case .create: "edge create URL [--alias NAME] [--expires-in SECONDS] [--server URL] [--key-file FILE]"
        case .status: "edge status [--server URL]"
        case .key:
            "edge key create --name NAME [FLAGS] | list | revoke ID|--jti ID|--sub NAME  [--data DIR | --server URL]"
        case .switch: "edge switch [NAME on|off|default] [--server URL] [--key-file FILE]"
        case .verify: "edge verify --data DIR"
        case .dump: "edge dump --data DIR"
        case .backup: "edge backup DIRECTORY [--server URL] [--rate SIZE] [--key-file FILE]"
        case .restore: "edge restore DIRECTORY --data DIR"
        case .import:
            "edge import FORMAT FILE [--dry-run] [--from LINE] [--rejected FILE] [--server URL] [--key-file FILE]"
        case .export:
            "edge export [--format ndjson|csv] [--owner NAME] [--after CODE] [--server URL] [--key-file FILE]"
        case .cluster: "edge cluster init|issue DIRECTORY … | retire|release REGION/NODE | alone | regions …"
        case .systemdUnit: "edge systemd-unit [--config FILE] [--KEY VALUE …]"
        case .help: "edge help [COMMAND]"
        }
    }

    /// What the command does, in a few words.
    package var summary: String {
        switch self {
        case .serve: "run a node"
        case .check: "check the configuration and print what is in effect"
        case .create: "make a short link on a running node and print it"
        case .status: "show how a running node is"
        case .key: "make, list and revoke API keys, and revoke tokens"
        case .switch: "turn creating, asking other nodes or counting off on a running node, and on again"
        case .verify: "check every record of a store"
        case .dump: "print the links of a store, one JSON line each, sorted by key"
        case .backup: "copy the store of a running node"
        case .restore: "make a data directory from a backup"
        case .import: "have a running node make links from another shortener's export"
        case .export: "print a running node's links, one a line"
        case .cluster: "make the secrets and certificates of a cluster's nodes; tell a node of its peers"
        case .systemdUnit: "print a unit for systemd that runs this program"
        case .help: "say more about a command"
        }
    }

    /// What `edge help COMMAND` prints.
    package var help: String {
        let details: String
        switch self {
        case .serve:
            details = """
                Without a file and flags this is a complete node of a single region: its store in ./edge-data, HTTP on
                127.0.0.1:8080, its admin port 127.0.0.1:9180. SIGTERM and SIGINT drain it. Logs go to standard error.

                A flag wins over the same key of the file. The keys, with their defaults:

                \(Self.keys)
                """
        case .check:
            details = """
                Starts nothing. What it prints is itself a configuration file. Exit status 78 and all that is wrong, with
                file, line and key, if the configuration is not right. edge help serve lists the keys.
                """
        case .create:
            details = """
                Prints the short URL.

                  --alias NAME           3 to 64 letters, digits, '-' and '_' in place of a generated code; an alias
                                         belongs to its first link for good, even after that has expired
                  --expires-in SECONDS   how long the link works; for ever if left out
                  --server URL           which node to ask; http://127.0.0.1:8080 if left out
                  --key-file FILE        file with the API key that the link shall belong to, readable by you alone. If
                                         left out, the environment variable EDGE_KEY, if it is set. There is no flag
                                         for the key itself: who lists processes would see it
                """
        case .status: details = "Asks the node's admin port; http://127.0.0.1:9180 if --server is left out."
        case .key:
            details = """
                create prints the key, alone on a line, and only this once: the store keeps a hash. What is made with it
                belongs to it. list shows all keys without their secrets. revoke ends a key for good, from its next request;
                or tokens of jwt_keys before their time.

                  --name NAME            what people call the key
                  --scopes LIST          what it allows, of: links:create, links:manage, admin (everything, with
                                         everybody's links); links:create,links:manage if left out
                  --owner NAME           whom its links belong to: keys of one owner share their links, so that a key can
                                         be replaced by another; if left out, the key itself, by its id
                  --expires-in SECONDS   how long it works; for ever if left out
                  --jti ID               revokes the one token that has this jti
                  --sub NAME             revokes all tokens of this sub that were issued up to now
                  --server URL           the admin port of the node; http://127.0.0.1:9180 if left out
                  --data DIR             in place of --server: the directory of a node that does not run
                  --key-file FILE        an API key with the scope admin, needed where the admin port does not listen on a
                                         loopback address; if left out, the environment variable EDGE_KEY, if it is set
                """
        case .switch:
            details = """
                Without a name: shows all. What is turned so holds whatever the configuration says, until default gives that
                back its say, or the node ends.

                  create             making links; those that there are lead on, and are changed and deleted
                  anonymous_create   making links without a key
                  ask_regions        asking other nodes for what is not here
                  count_clicks       counting clicks

                  --server URL       the admin port of the node; http://127.0.0.1:9180 if left out
                  --key-file FILE    an API key with the scope admin, for an admin port that does not listen on a loopback
                                     address; if left out, the environment variable EDGE_KEY, if it is set
                """
        case .verify: details = "Exit status 0 only if everything in the store of the directory DIR holds."
        case .dump:
            details = """
                Nodes that have converged print the same. Links that are deleted or expired are left out, and so are damaged
                ones, which are named on standard error.
                """
        case .backup:
            details = """
                The copy is consistent, and the node serves and writes meanwhile. It holds every link and the secret that
                keys the codes: keep it as you keep the node's own data. edge verify and edge dump read it.

                  --server URL     the node's admin port; http://127.0.0.1:9180 if left out
                  --rate SIZE      at most so much a second, such as 64MiB; \(sizeText(BackupRequest.defaultBytesPerSecond)) if left out
                  --key-file FILE  a key with the scope admin, for an admin port that does not listen on loopback

                DIRECTORY must be empty or not there. Exit status 1 without a copy, or with one that lacks damaged records,
                which are named on standard error.
                """
        case .restore:
            details = """
                Looks the backup over and copies it; DIR must be empty or not there. The node that is started there keeps all
                links of the backup and begins a new incarnation, so that no code is given out twice.
                """
        case .import: details = Self.importDetails
        case .export: details = Self.exportDetails
        case .cluster:
            details = """
                  edge cluster init DIRECTORY [--cluster NAME]
                  edge cluster issue DIRECTORY REGION/NODE [--days N] [--renew]
                  edge cluster retire REGION/NODE [--server URL]
                  edge cluster release REGION/NODE [--server URL]
                  edge cluster alone [--server URL]
                  edge cluster regions [add|remove|move|dead REGION/NODE | vouch] [--server URL]

                init makes DIRECTORY with what a cluster has once: cluster.secret and code.secret, the same on every node, and
                an authority for certificates. issue makes the certificate and the key of one node, for replication over TLS.
                Nothing is overwritten. Whoever has ca.key can make nodes: keep DIRECTORY where only you read it, and ca.key
                off the nodes.

                retire tells the cluster, through a running node, that a node is gone for good: nothing waits for it any more,
                and it is turned away. release ends the quarantine of a node's entries. alone says that there is no peer,
                though some are configured, so that ordinary codes are handed out.

                regions shows which nodes decide whose an alias is, one a region at most. add, remove and move change that by
                one node; all of the former ones must confirm it, unless dead says of one that it never will.
                vouch says of the node that is told that its disk has lost nothing; said again, or where it held nothing, that
                what is lost is given up: without it nobody votes after a majority of the disks was lost at once.

                  --cluster NAME  the name that the key cluster has on every node; \(Configuration().cluster) if left out
                  --days N        how long a certificate holds; \(ClusterCommand.defaultDays) if left out, \(ClusterCommand.days.upperBound) at most
                  --renew         a new certificate for a node that has one, with the key that it has
                  --server URL    the running node's admin port; http://127.0.0.1:9180 if left out

                  edge cluster init prod --cluster prod
                  edge cluster issue prod eu/0
                """
        case .systemdUnit:
            details = """
                The unit runs serve with the same file and flags, as a user with no right but to bind ports below 1024, and
                with no place to write to but its own directories. Files with secrets may be root's alone: systemd hands
                them over.

                  edge systemd-unit --config /etc/edge/edge.conf > /etc/systemd/system/edge.service
                  systemctl daemon-reload && systemctl enable --now edge
                """
        case .help: details = "Without a command: the list of all."
        }
        return "usage: \(synopsis)\n\n\(capitalized(summary)).\n\n\(details)\n"
    }

    private static var keys: String {
        ConfigurationKey.all.map { "  --\($0.name) \($0.defaultText)\n      \($0.why)" }.joined(separator: "\n")
    }

    /// What `edge help` prints.
    package static var overview: String {
        let commands = allCases.map { name in
            "  \(name.rawValue)" + String(repeating: " ", count: 14 - name.rawValue.count) + name.summary
        }
        return """
            edge: a self-hosted, active-active URL shortener.

            usage: edge COMMAND …

            \(commands.joined(separator: "\n"))

              --version     print the version

            Exit status: 0 done, 64 wrong usage, 78 wrong configuration, 1 anything else.

            """
    }
}

private func capitalized(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
