import Server
import Testing

@Suite struct CommandLineTests {
    /// What a command line means, in a form to compare with.
    private func meaning(_ line: String) -> String {
        do {
            switch try Command.parse(line.split(separator: " ").map(String.init)) {
            case .serve(let source): return "serve" + meaning(source)
            case .check(let source): return "check" + meaning(source)
            case .systemdUnit(let source): return "systemd-unit" + meaning(source)
            case .create(let request):
                return
                    "create \(request.url) \(request.alias ?? "-") \(request.expiresInSeconds ?? 0) \(request.server)"
                    + (request.keyFile.map { " by \($0)" } ?? "")
            case .status(let server): return "status \(server)"
            case .key(let command): return "key " + meaning(command)
            case .switch(let command):
                return "switch \(command.action) \(command.server)" + (command.keyFile.map { " by \($0)" } ?? "")
            case .verify(let data): return "verify \(data)"
            case .dump(let data): return "dump \(data)"
            case .backup(let request):
                return "backup \(request.directory) \(request.server) \(request.bytesPerSecond)"
                    + (request.keyFile.map { " by \($0)" } ?? "")
            case .restore(let backup, let data): return "restore \(backup) \(data)"
            case .import(let request):
                return "import \(request.format) \(request.file) \(request.server) from \(request.firstLine)"
                    + (request.isDryRun ? " dry" : "") + (request.rejectedFile.map { " rejected \($0)" } ?? "")
                    + (request.keyFile.map { " by \($0)" } ?? "")
            case .export(let request):
                return "export \(request.target) \(request.server)" + (request.keyFile.map { " by \($0)" } ?? "")
            case .cluster(let command): return "cluster \(command.directory) \(command.action)"
            case .peerOrder(let order, let server): return "cluster \(order.path) \(server)"
            case .version: return "version"
            case .help(let name): return "help \(name?.rawValue ?? "-")"
            }
        } catch {
            return "error: \(error.problem)"
        }
    }

    private func meaning(_ source: ConfigurationSource) -> String {
        " \(source.file ?? "-")" + source.flags.map { " [\($0.key)=\($0.value)]" }.joined()
    }

    private func meaning(_ command: KeyCommand) -> String {
        let place =
            switch command.place {
            case .server(let server): "\(server)"
            case .data(let data): "data \(data)"
            }
        let file = command.keyFile.map { " by \($0)" } ?? ""
        switch command.action {
        case .create(let request):
            return "create [\(request.name)] \(request.scopes?.joined(separator: "+") ?? "-") "
                + "\(request.owner ?? "-") \(request.expiresInSeconds ?? 0) at \(place)\(file)"
        case .list: return "list at \(place)\(file)"
        case .revoke(let id): return "revoke \(id) at \(place)\(file)"
        case .revokeTokens(let tokens): return "revoke \(tokens.claim) [\(tokens.text)] at \(place)\(file)"
        }
    }

    @Test(arguments: [
        ("key list", "key list at 127.0.0.1:9180"), ("key list --data d", "key list at data d"),
        ("key list --server=http://[::1]:1 --key-file f", "key list at [::1]:1 by f"),
        ("key create --name a", "key create [a] - - 0 at 127.0.0.1:9180"),
        (
            "key create --name a --scopes links:create,admin --owner o --expires-in 60 --data d",
            "key create [a] links:create+admin o 60 at data d"
        ),
        ("key --name a create", "key create [a] - - 0 at 127.0.0.1:9180"),
        ("key revoke 0000000000000000000001", "key revoke 0000000000000000000001 at 127.0.0.1:9180"),
        ("key revoke --jti a", "key revoke jti [a] at 127.0.0.1:9180"),
        ("key revoke --sub=b --data d", "key revoke sub [b] at data d"),
        ("key -h", "help key"), ("key create --help", "help key"), ("help key", "help key"),
        ("key", "error: create, list or revoke is wanted"),
        ("key make", "error: unknown command \"make\"; create, list or revoke is wanted"),
        ("key create", "error: --name NAME is needed"), ("key create --name=", "error: --name NAME is needed"),
        ("key create a", "error: \"a\" is no flag"), ("key list a", "error: \"a\" is no flag"),
        ("key list --name a", "error: --name is for create"), ("key list --foo", "error: unknown flag --foo"),
        ("key list --data a --data b", "error: --data is given twice"),
        ("key list --data=", "error: --data needs a value"),
        ("key list --data d --server http://h", "error: --data and --server exclude each other"),
        ("key list --data d --key-file f", "error: --data and --key-file exclude each other"),
        ("key list --server h", "error: --server takes http://HOST or http://HOST:PORT"),
        ("key create --name a --expires-in x", "error: --expires-in takes a number of seconds from 1 on"),
        ("key revoke", "error: the id of a key is wanted; edge key list shows it"),
        (
            "key revoke edge_0000000000000000000001_secret",
            "error: that is no id of a key, which has 22 letters and digits; edge key list shows it"
        ),
        (
            "key revoke 0000000000000000000001 x", "error: one id at a time; \"x\" is a second one"
        ),
    ])
    func keys(line: String, expected: String) { #expect(meaning(line) == expected) }

    @Test(arguments: [
        ("switch", "switch show 127.0.0.1:9180"), ("switch -h", "help switch"), ("help switch", "help switch"),
        (
            "switch create off --server http://[::1]:1 --key-file f",
            "switch turn(Server.Switch.create, isOn: Optional(false)) [::1]:1 by f"
        ),
        ("switch ask_regions on", "switch turn(Server.Switch.askRegions, isOn: Optional(true)) 127.0.0.1:9180"),
        ("switch count_clicks default", "switch turn(Server.Switch.countClicks, isOn: nil) 127.0.0.1:9180"),
        (
            "switch clicks off",
            "error: unknown switch \"clicks\"; there are create, anonymous_create, ask_regions, count_clicks"
        ),
        ("switch create", "error: on, off or default is wanted behind create"),
        ("switch create of", "error: on, off or default is wanted behind create"),
        ("switch create on off", "error: on, off or default is wanted behind create"),
        ("switch --foo", "error: unknown flag --foo"),
        ("switch --server x", "error: --server takes http://HOST or http://HOST:PORT"),
        ("switch --server http://h --server http://h", "error: --server is given twice"),
    ])
    func switches(line: String, expected: String) { #expect(meaning(line) == expected) }

    @Test(arguments: [
        ("import csv f", "import csv f 127.0.0.1:8080 from 1"),
        (
            "import yourls - --dry-run --from 7 --rejected r --server http://h --key-file k",
            "import yourls - h from 7 dry rejected r by k"
        ),
        ("import", "error: a format is wanted: csv, yourls, golink, ndjson"),
        ("import xml f", "error: unknown format \"xml\"; there are csv, yourls, golink, ndjson"),
        ("import csv", "error: a file is wanted, or - for standard input"),
        ("import csv f g", "error: one file at a time; \"g\" is a second one"),
        ("import csv f --from 0", "error: --from takes a number of a line, from 1 on"),
        ("import csv f --from 1 --from 2", "error: --from is given twice"),
        ("import csv f --dry-run --dry-run", "error: --dry-run is given twice"),
        ("import csv f --dry-run=yes", "error: unknown flag --dry-run"),
        ("import --help", "help import"), ("export -h", "help export"),
        ("export", "export /api/v1/urls/export?format=ndjson 127.0.0.1:8080"),
        (
            "export --format csv --owner a@b --after my-code --server http://h:1 --key-file k",
            "export /api/v1/urls/export?format=csv&owner=a%40b&after=my-code h:1 by k"
        ),
        ("export x", "error: \"x\" is no flag"), ("export --format xml", "error: --format takes ndjson or csv"),
        ("export --foo", "error: unknown flag --foo"), ("export --after a --after b", "error: --after is given twice"),
    ])
    func moving(line: String, expected: String) { #expect(meaning(line) == expected) }

    @Test(arguments: [
        ("serve", "serve -"), ("serve --config a.conf", "serve a.conf"), ("check --config=a=b", "check a=b"),
        ("systemd-unit --config a.conf --node 3", "systemd-unit a.conf [node=3]"),
        ("serve --node 1 --listen=[::1]:80", "serve - [node=1] [listen=[::1]:80]"),
        ("serve --clock_offset -5s", "serve - [clock_offset=-5s]"),
        ("serve --data=--x --data", "error: --data needs a value"),
        ("serve --node --data x", "error: --node needs a value"),
        ("serve --config", "error: --config needs a value"),
        ("serve --config a --config b", "error: --config is given twice"),
        ("serve --foo", "serve - [foo=]"), ("serve --foo bar --node 1", "serve - [foo=bar] [node=1]"),
        ("serve --foo --node 1", "serve - [foo=] [node=1]"), ("serve --node=", "serve - [node=]"),
        ("serve x", "error: \"x\" is no flag; write --KEY VALUE"),
        ("serve -- x", "error: \"x\" is no flag; write --KEY VALUE"),
        ("serve -n 1", "error: \"-n\" is no flag; write --KEY VALUE"),
        ("serve --help", "help serve"), ("check -h", "help check"), ("create --help", "help create"),
        ("verify --help", "help verify"), ("dump -h", "help dump"), ("help", "help -"), ("--help", "help -"),
        ("-h", "help -"), ("help serve", "help serve"), ("--help serve", "help serve"), ("help --help", "help help"),
        ("help help", "help help"), ("help serve check", "error: one command at a time"),
        ("--version", "version"), ("--version x", "error: --version stands alone"),
        ("status", "status 127.0.0.1:9180"), ("status --server http://h", "status h"), ("status -h", "help status"),
        ("status x", "error: \"x\" is no flag"), ("status --foo", "error: unknown flag --foo"),
        ("status --server h:1", "error: --server takes http://HOST or http://HOST:PORT"),
        ("backup d", "backup d 127.0.0.1:9180 268435456"), ("backup -h", "help backup"),
        ("backup d --key-file k", "backup d 127.0.0.1:9180 268435456 by k"),
        ("backup --rate 1MiB d --server http://h:1", "backup d h:1 1048576"),
        ("backup", "error: no DIRECTORY"), ("backup a b", "error: one DIRECTORY; \"b\" is a second one"),
        ("backup d --rate 0B", "error: --rate takes the bytes of a second, such as 64MiB"),
        ("backup d --rate fast", "error: --rate takes the bytes of a second, such as 64MiB"),
        ("backup d --server x", "error: --server takes http://HOST or http://HOST:PORT"),
        ("backup d --server http://a --server http://b", "error: --server is given twice"),
        ("backup d --data x", "error: unknown flag --data"),
        ("restore d --data x", "restore d x"), ("restore -h", "help restore"),
        ("restore d", "error: --data DIR is needed"), ("restore --data x", "error: no DIRECTORY"),
        ("restore d --data", "error: --data needs a value"),
        ("create http://a", "create http://a - 0 127.0.0.1:8080"),
        (
            "create --alias x --expires-in 60 http://a --server http://h:81/",
            "create http://a x 60 h:81"
        ),
        ("create http://a --server=http://[::1]", "create http://a - 0 [::1]"),
        ("create -- --a", "create --a - 0 127.0.0.1:8080"),
        ("create a --key-file k", "create a - 0 127.0.0.1:8080 by k"), ("create", "error: no URL"),
        ("create a b", "error: one URL at a time; \"b\" is a second one"),
        ("create a --foo", "error: unknown flag --foo"), ("create a --alias", "error: --alias needs a value"),
        ("create a --alias x --alias y", "error: --alias is given twice"),
        ("create a --expires-in 0", "error: --expires-in takes a number of seconds from 1 on"),
        ("create a --expires-in 1h", "error: --expires-in takes a number of seconds from 1 on"),
        ("create a --server https://h", "error: --server takes http://HOST or http://HOST:PORT"),
        ("create a --server http://h/x", "error: --server takes http://HOST or http://HOST:PORT"),
        ("create a --server h:80", "error: --server takes http://HOST or http://HOST:PORT"),
        ("create a --server http://h:0", "error: --server takes http://HOST or http://HOST:PORT"),
        ("verify --data d", "verify d"), ("dump --data=d", "dump d"), ("verify", "error: --data DIR is needed"),
        ("dump --data=", "error: --data DIR is needed"), ("dump d", "error: \"d\" is no flag"),
        ("verify --data a --data b", "error: --data is given twice"), ("dump --foo", "error: unknown flag --foo"),
        (
            "",
            "error: no command; commands: serve, check, create, status, key, switch, verify, dump, backup, restore, import, export, cluster, systemd-unit, help, --version"
        ),
        ("sevre", "error: unknown command \"sevre\"; did you mean serve?"),
        (
            "acceptors",
            "error: unknown command \"acceptors\"; commands: serve, check, create, status, key, switch, verify, dump, backup, restore, import, export, cluster, systemd-unit, help, --version"
        ),
        (
            "help acceptors",
            "error: unknown command \"acceptors\"; commands: serve, check, create, status, key, switch, verify, dump, backup, restore, import, export, cluster, systemd-unit, help, --version"
        ),
    ])
    func parsed(line: String, expected: String) { #expect(meaning(line) == expected) }

    /// The message of a command line that means nothing ends with how to write what was meant.
    @Test(arguments: [
        ("dump", "edge dump: --data DIR is needed\nusage: edge dump --data DIR\n"),
        ("crate", "edge: unknown command \"crate\"; did you mean create?\nsee edge help\n"),
    ])
    func usage(line: String, expected: String) {
        do {
            _ = try Command.parse(line.split(separator: " ").map(String.init))
            Issue.record("parsed")
        } catch {
            #expect(error.description == expected)
        }
    }

    @Test func helpIsComplete() {
        for name in CommandName.allCases {
            #expect(CommandName.overview.contains("\n  \(name.rawValue) "))
            #expect(name.help.hasPrefix("usage: edge \(name.rawValue)"))
            #expect(name.help.split(separator: "\n").allSatisfy { $0.count <= 120 }, "\(name)")
        }
        for key in ConfigurationKey.all {
            #expect(CommandName.serve.help.contains("  --\(key.name) \(key.defaultText)\n      \(key.why)\n"))
        }
    }
}

@Suite struct CommandAnswerTests {
    /// Bytes of a server, and the answer: at which byte it is complete, and its body; nil: only when the server closes.
    @Test(arguments: [
        (
            "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Type: application/JSON; a=b\r\n\r\nok",
            "201 application/json ok"
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", "204  "), ("HTTP/1.1 200 OK\r\n\r\nrest", "200  rest"),
        ("HTTP/1.0 200\n\nrest", "200  rest"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", "200  "),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2;x=y\r\nab\r\nA\r\n0123456789\r\n0\r\n",
            "200  ab0123456789"
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "200  x"),
        ("nonsense", "malformed"), ("HTTP/2 200 OK\r\n\r\n", "malformed"), ("HTTP/1.1 99 X\r\n\r\n", "malformed"),
        ("HTTP/1.1 2000 X\r\n\r\n", "malformed"), ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "malformed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-0\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nabc\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "more"), ("HTTP/1.1 200 OK\r\n", "more"), ("HTT", "more"),
        ("", "more"), ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "more"),
    ])
    func parsed(text: String, expected: String) {
        let bytes = Array(text.utf8)
        #expect(describe(bytes, isWhole: true) == expected)
        // Piece by piece: never malformed before it is, never complete before it is, then the same answer.
        var first: String?
        for count in 0...bytes.count where first == nil {
            let found = describe(Array(bytes[..<count]), isWhole: count == bytes.count)
            if found != "more" { first = found }
        }
        #expect(first ?? "more" == expected)
    }

    private func describe(_ bytes: [UInt8], isWhole: Bool) -> String {
        do {
            guard let answer = try CommandAnswer.parse(bytes, isWhole: isWhole) else { return "more" }
            return "\(answer.status) \(answer.mediaType) \(String(decoding: answer.body, as: UTF8.self))"
        } catch {
            return "malformed"
        }
    }
}
