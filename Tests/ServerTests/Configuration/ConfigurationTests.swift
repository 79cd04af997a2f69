import Foundation
import Server
import Testing

/// Loads a file called `edge.conf` and flags on a machine of two cores.
private func load(
    _ text: String? = nil, flags: [(String, String)] = []
) throws(ConfigurationErrors) -> Configuration {
    try load(bytes: text.map { Array($0.utf8) }, flags: flags)
}

private func load(bytes: [UInt8]?, flags: [(String, String)] = []) throws(ConfigurationErrors) -> Configuration {
    try Configuration.load(
        file: bytes.map { (path: "edge.conf", text: $0) }, flags: flags.map { (key: $0.0, value: $0.1) }, cores: 2)
}

private func errors(bytes: [UInt8]?, flags: [(String, String)] = []) -> [String] {
    do {
        _ = try load(bytes: bytes, flags: flags)
        return []
    } catch {
        return error.errors.map(\.description)
    }
}

private func errors(_ text: String, flags: [(String, String)] = []) -> [String] {
    errors(bytes: Array(text.utf8), flags: flags)
}

@Suite struct ConfigurationTests {
    @Test func defaults() throws {
        let configuration = try load()
        #expect(configuration.data == "./edge-data")
        #expect(configuration.user == nil && configuration.accessLog == .off)
        #expect(configuration.cluster == "default")
        #expect(configuration.regions == [.init(name: "local", character: UInt8(ascii: "1"), acceptor: 0)])
        #expect(configuration.region == "local")
        #expect(configuration.node == 0)
        #expect(configuration.listen == ListenAddress(host: "127.0.0.1", port: 8080))
        #expect(configuration.publicURL == "http://127.0.0.1:8080")
        #expect(configuration.codeSecretFile == nil)
        #expect(configuration.workers == 2)
        #expect(configuration.mapSizeBytes == 1_099_511_627_776)
        #expect(configuration.durability == .sync)
        #expect(configuration.drainTimeoutMilliseconds == 10_000)
        #expect(configuration.logFormat == .logfmt)
        #expect(configuration.redirectStatus == .found)
        #expect(configuration.redirectCacheTTLMilliseconds == 0)
        #expect(configuration.purgeURL == nil && configuration.purgeMethod == .purge)
        #expect(configuration.anonymousCreate)
        #expect(configuration.clockOffsetMilliseconds == 0)
        #expect(try load("") == configuration)
    }

    @Test func everyFieldIsRead() throws {
        let configuration = try load(
            """
            data = /var/lib/edge
            user = edge:www-data
            cluster = prod.eu_1
            regions = us:1, eu:2/3 ,ap:z/15
            region = eu
            node = 15
            listen = [0:0::1]:80
            public_url = https://sho.rt
            code_secret_file = secret
            workers = 256
            map_size = 16MiB
            durability = sync
            drain_timeout = 250ms
            log_format = json
            access_log = /var/log/edge/access.log
            redirect_status = 308
            redirect_cache_ttl = 5m
            purge_url = http://[::1]:6081/purge?key={code}&a=b
            purge_method = POST
            anonymous_create = off
            clock_offset = -36h
            """)
        #expect(configuration.data == "/var/lib/edge")
        #expect(configuration.user == "edge:www-data")
        #expect(configuration.accessLog == .file(path: "/var/log/edge/access.log"))
        #expect(configuration.cluster == "prod.eu_1")
        #expect(
            configuration.regions == [
                .init(name: "us", character: UInt8(ascii: "1"), acceptor: 0),
                .init(name: "eu", character: UInt8(ascii: "2"), acceptor: 3),
                .init(name: "ap", character: UInt8(ascii: "z"), acceptor: 15),
            ])
        #expect(configuration.region == "eu")
        #expect(configuration.node == 15)
        #expect(configuration.listen == ListenAddress(host: "::1", port: 80))
        #expect(configuration.publicURL == "https://sho.rt")
        #expect(configuration.codeSecretFile == "secret")
        #expect(configuration.workers == 256)
        #expect(configuration.mapSizeBytes == 16_777_216)
        #expect(configuration.drainTimeoutMilliseconds == 250)
        #expect(configuration.logFormat == .json)
        #expect(configuration.redirectStatus == .permanentRedirect)
        #expect(configuration.redirectCacheTTLMilliseconds == 300_000)
        #expect(configuration.purgeURL?.description == "http://[::1]:6081/purge?key={code}&a=b")
        #expect(configuration.purgeMethod == .post)
        #expect(!configuration.anonymousCreate)
        #expect(configuration.clockOffsetMilliseconds == -129_600_000)
        #expect(try load(configuration.text) == configuration)
    }

    /// A line of the file, and how `check` prints the key.
    @Test(arguments: [
        ("map_size=64MiB", "map_size = 64MiB"), ("map_size = 1024MiB", "map_size = 1GiB"),
        ("map_size = 16777216B", "map_size = 16MiB"), ("map_size = 16388KiB", "map_size = 16388KiB"),
        ("map_size = 64TiB", "map_size = 64TiB"), ("drain_timeout = 0s", "drain_timeout = 0s"),
        ("drain_timeout = 60s", "drain_timeout = 1m"), ("drain_timeout = 1500ms", "drain_timeout = 1500ms"),
        ("drain_timeout = 24h", "drain_timeout = 1d"), ("redirect_cache_ttl = 7d", "redirect_cache_ttl = 7d"),
        ("redirect_cache_ttl = 2000ms", "redirect_cache_ttl = 2s"), ("clock_offset = -250ms", "clock_offset = -250ms"),
        ("clock_offset = -0s", "clock_offset = 0s"), ("listen = 0.0.0.0:0", "listen = 0.0.0.0:0"),
        ("listen = [::]:65535", "listen = [::]:65535"), ("listen = [FE80:0::A]:1", "listen = [fe80::a]:1"),
        ("workers = auto", "workers = 2"), ("workers = 1", "workers = 1"),
        ("code_secret_file = none", "code_secret_file = none"), ("user = none", "user = none"),
        ("user = edge", "user = edge"), ("access_log = stdout", "access_log = stdout"),
        ("access_log = ./off", "access_log = ./off"),
        ("code_secret_file = ./none", "code_secret_file = ./none"),
        ("data = a b#c # comment", "data = a b#c"), ("\t data\t=\tx=y \t", "data = x=y"), ("data = é", "data = é"),
        ("regions = us-1:A/0", "regions = us-1:A"), ("regions = us-1:A", "region = us-1"),
        ("public_url = http://[::1]:80", "public_url = http://[::1]:80"),
        ("public_url = https://xn--bcher-kva.example:8443", "public_url = https://xn--bcher-kva.example:8443"),
        ("listen = 10.0.0.1:80", "public_url = http://10.0.0.1:80"),
        ("listen = [::1]:80", "public_url = http://[::1]:80"),
        ("listen = 127.9.9.9:80", "anonymous_create = on"), ("listen = [::1]:80", "anonymous_create = on"),
        ("listen = 0.0.0.0:80", "anonymous_create = off"), ("listen = [::]:80", "anonymous_create = off"),
        ("listen = 12.7.0.1:80", "anonymous_create = off"),
        ("listen = [::ffff:127.0.0.1]:80", "anonymous_create = off"),
        ("listen = 0.0.0.0:80\nanonymous_create = on", "anonymous_create = on"),
        ("listen = 127.0.0.1:0\npublic_url = http://127.0.0.1:0", "public_url = http://127.0.0.1:0"),
    ])
    func printed(line: String, expected: String) throws {
        let configuration = try load(line)
        #expect(configuration.text.split(separator: "\n").contains(Substring(expected)))
        #expect(try load(configuration.text) == configuration)
    }

    @Test func flagsWin() throws {
        let configuration = try load("node = 1\nlisten = 0.0.0.0:80", flags: [("node", "2"), ("workers", " 7 ")])
        #expect((configuration.node, configuration.workers, configuration.listen.port) == (2, 7, 80))
        #expect(errors("node = x", flags: [("node", "2")]).count == 1)
    }

    @Test(arguments: [(0, 1), (1, 1), (300, 256)])
    func automaticWorkers(cores: Int, workers: Int) throws {
        #expect(try Configuration.load(file: nil, flags: [], cores: cores).workers == workers)
    }

    @Test func publicURLOfAChosenPort() throws {
        let bound = ListenAddress(host: "127.0.0.1", port: 4711)
        let chosen = [("listen", "127.0.0.1:0")]
        #expect(try load(flags: chosen).publicURL(boundTo: bound) == "http://127.0.0.1:4711")
        let given = try load(flags: chosen + [("public_url", "https://a.example")])
        #expect(given.publicURL(boundTo: bound) == "https://a.example")
    }

    @Test(arguments: [
        "# only\n\t # comments\n\n   \n", "node = 0\r\nlisten = 127.0.0.1:8080\r\n", "#node = 1", "node = 0\t# = x",
        "node = 0\n\n#é\r\n",
    ])
    func quietLines(text: String) throws { #expect(try load(text) == load()) }
}

@Suite struct ConfigurationErrorTests {
    /// A file of one fault, and its message without the place.
    @Test(arguments: [
        ("lisen = x", "lisen: unknown key; did you mean listen?"),
        ("Listen = x", "Listen: unknown key; did you mean listen?"),
        ("redirect = x", "redirect: unknown key; did you mean redirect_status?"),
        ("public-url = x", "public-url: unknown key; did you mean public_url?"),
        ("mpa_size = x", "mpa_size: unknown key; did you mean map_size?"),
        ("mirrors = x", "mirrors: unknown key; edge help serve lists the keys"),
        ("a\u{1b}[1m = x", "a\u{fffd}[1m: unknown key; edge help serve lists the keys"),
        ("nonsense", "nonsense: there is no '='; write key = value"),
        ("= 1", "no key before '='; write key = value"),
        ("node =", "node: no value; write one after the key"),
        ("node = # 1", "node: no value; write one after the key"),
        ("node =#1", "node: a '#' there begins a comment; write a value without one"),
        ("data = \"x\"", "data: the value starts with a quote; write it without quotes"),
        ("data = 'x'", "data: the value starts with a quote; write it without quotes"),
        ("data = a\u{7}", "data: a control character in the value; take it out"),
        ("data = a\rb", "data: a control character in the value; take it out"),
        ("node = 16", "node: \"16\" is not a number from 0 to 15; write one such as 0"),
        ("node = -1", "node: \"-1\" is not a number from 0 to 15; write one such as 0"),
        ("node = 01", "node: \"01\" is not a number from 0 to 15; write one such as 0"),
        ("workers = 257", "workers: \"257\" is not a number from 1 to 256; write one, or auto for one thread a core"),
        ("workers = 0", "workers: \"0\" is not a number from 1 to 256; write one, or auto for one thread a core"),
        ("map_size = 8MiB", "map_size: 8MiB is out of range; write a size from 16MiB to 64TiB"),
        ("map_size = 65TiB", "map_size: 65TiB is out of range; write a size from 16MiB to 64TiB"),
        (
            "map_size = 16777217B",
            "map_size: 16777217B is not a multiple of 4KiB; write 16MiB or 16388KiB"
        ),
        ("redirect_cache_ttl = 1500ms", "redirect_cache_ttl: 1500ms is not a whole number of seconds; write 1s or 2s"),
        ("purge_method = GET", "purge_method: \"GET\" is not known; write PURGE or POST"),
        (
            "purge_url = https://a.example/{code}",
            "purge_url: \"https://a.example/{code}\" is no http:// URL with {code} in its path or query, once; "
                + "write one such as http://127.0.0.1:6081/{code}, or none"
        ),
        ("redirect_cache_ttl = -1s", "redirect_cache_ttl: -1s is out of range; write a duration from 0s to 365d"),
        ("drain_timeout = 25h", "drain_timeout: 25h is out of range; write a duration from 0s to 1d"),
        ("clock_offset = -3651d", "clock_offset: -3651d is out of range; write a duration from -3650d to 3650d"),
        ("durability = regions:0", "durability: \"regions:0\" is not known; write sync, or regions:1"),
        (
            "durability = regions:1",
            "durability: without replication_listen and peers nothing is in other regions; write durability = sync"
        ),
        ("log_format = text", "log_format: \"text\" is not known; write logfmt or json"),
        ("redirect_status = 303", "redirect_status: \"303\" is not known; write 301, 302, 307 or 308"),
        ("user = a b", "user: \"a b\" is not a user; write a name such as edge, or edge:www-data"),
        ("user = :x", "user: \":x\" is not a user; write a name such as edge, or edge:www-data"),
        ("user = -x", "user: \"-x\" is not a user; write a name such as edge, or edge:www-data"),
        ("access_log = on", "access_log: on does not say where to; write stdout, or the path of a file"),
        ("anonymous_create = true", "anonymous_create: \"true\" is neither on nor off; write on or off"),
        (
            "cluster = a/b",
            "cluster: \"a/b\" is not a name; write 1 to 64 letters, digits, '.', '_' and '-', such as default"
        ),
        (
            "public_url = https://a.example/x?y",
            "public_url: \"https://a.example/x?y\" has more than a scheme, a host and a port; write https://a.example"
        ),
        (
            "public_url = sho.rt",
            "public_url: \"sho.rt\" does not start with http:// or https://; write a whole URL such as "
                + "https://example.org"
        ),
        (
            "public_url = https://a:0",
            "public_url: nobody can connect to port 0; write the port that users see, or leave public_url out"
        ),
        ("region = eu", "region: eu is not one of regions (local); write local, or add it to regions"),
        ("regions = us:1, eu:2\nregion = e", "region: e is not one of regions (us, eu); write one of them"),
        (
            "regions = us:1, eu:2",
            "regions: there are 2 regions, and no region says which one this node is in; set it, such as region = us"
        ),
        (
            "regions = us:1, eu:1",
            "regions: us:1 and eu:1 have the same character; give each region one name and one character of its own"
        ),
        (
            "regions = us:1, us:2",
            "regions: the region us stands there twice; give each region one name and one character of its own"
        ),
        (
            "regions = us:1,",
            "regions: \"\" is not a region; "
                + "write NAME:CHARACTER or NAME:CHARACTER/ACCEPTOR with commas between, such as us:1, eu:2/3"
        ),
        ("regions = us:1/16", "regions: \"16\" is not a number from 0 to 15; write one such as 0"),
    ])
    func message(text: String, expected: String) {
        let found = errors(text)
        let line = text.split(separator: "\n").count
        #expect(found == ["edge.conf:\(line): \(expected)"])
    }

    @Test(arguments: [
        "", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:080",
        "127.0.0.1:+80", "127.0.0.01:80", "127.1:80", "localhost:80", "::1:80", "[::1]", "[::1]:", "[::1:80",
        "[127.0.0.1]:80",
        "[fe80::1%1]:80", "[]:80", "256.0.0.1:80", "127.0.0.1 :80", "127.0.0.1:80\u{0}", "http://127.0.0.1:80", "*:80",
    ])
    func notAnAddress(text: String) { #expect(ListenAddress(text) == nil) }

    @Test(arguments: [
        "64", "64MB", "64mib", "64 MiB", "1.5GiB", "-1GiB", "MiB", "064MiB", "9223372036854775807TiB",
        "99999999999999999999B",
    ])
    func notASize(text: String) { #expect(errors("map_size = \(text)").first?.contains("is not a size;") == true) }

    @Test(arguments: ["5", "5 s", "5sec", "s", "1.5s", "+5s", "--5s", "05s", "5S", "9223372036854775807d", "٣s"])
    func notADuration(text: String) {
        #expect(errors("clock_offset = \(text)").first?.contains("is not a duration;") == true)
    }

    @Test(arguments: [
        "http://", "http:///", "http://a b", "http://user@a", "http://a:x", "http://a:65536", "http://-a",
        "http://a..b",
        "http://a.", "http://.a", "http://1.2.3", "http://256.1.1.1", "http://bücher.example", "http://[::1",
        "http://[x]",
        "HTTP://a", "ftp://a", "//a", "a",
    ])
    func notAnOrigin(text: String) { #expect(errors("public_url = \(text)").count == 1) }

    @Test(arguments: [
        "us", "us:", "us:11", "us:-", "us:é", "US:1", ":1", "abcdefghijklmnopq:1", "us:1/", "us:1/x", "us:1/1/1",
        "us:1:2", "us:1 eu:2", "us :1",
    ])
    func notARegion(text: String) { #expect(errors("regions = \(text)").count == 1) }

    @Test func allAreReportedInOrder() {
        let text = "node = 16\r\n\r\nlisten = x # y\r\nnode = 2\nfoo = 1\nregions = us:1, eu:2\nregion = de\n"
        #expect(
            errors(text, flags: [("workers", "x"), ("foo", ""), ("data", "a"), ("data", "b"), ("data", "c #d")]) == [
                "edge.conf:1: node: \"16\" is not a number from 0 to 15; write one such as 0",
                "edge.conf:3: listen: \"x\" is not an IP address with a port; "
                    + "write 127.0.0.1:8080, [::1]:8080, or 0.0.0.0:8080 for every interface",
                "edge.conf:4: node: already set on line 1; keep one of the two lines",
                "edge.conf:5: foo: unknown key; edge help serve lists the keys",
                "edge.conf:7: region: de is not one of regions (us, eu); write one of them",
                "--workers: \"x\" is not a number from 1 to 256; write one, or auto for one thread a core",
                "--foo: unknown key; edge help serve lists the keys",
                "--data: given twice; give it once",
                "--data: given twice; give it once",
                "--data: a '#' there begins a comment; write a value without one",
            ])
    }

    @Test func theDescriptionIsOneLineEach() {
        #expect(throws: ConfigurationErrors.self) { try load("node = x\nworkers = x") }
        do {
            _ = try load("node = x\nworkers = x")
        } catch {
            #expect(error.description.split(separator: "\n").count == 2)
        }
    }

    /// What depends on a value that is bad itself is not reported too.
    @Test func noConsequences() {
        #expect(errors("regions = us:1, eu:\nregion = eu").count == 1)
        #expect(errors("listen = x\npublic_url = http://a:0").count == 1)
    }

    @Test(
        arguments: [
            (
                [0xef, 0xbb, 0xbf] + Array("node = 1\nx = 1".utf8),
                [
                    "edge.conf:1: the file starts with a byte-order mark; save it as UTF-8 without one",
                    "edge.conf:2: x: unknown key; edge help serve lists the keys",
                ]
            ),
            (
                [0xff, 0xfe, 0x6e, 0x00],
                ["edge.conf:1: the file is UTF-16; save it as UTF-8 without a byte-order mark"]
            ),
            (
                [0xfe, 0xff, 0x00, 0x6e],
                ["edge.conf:1: the file is UTF-16; save it as UTF-8 without a byte-order mark"]
            ),
            (
                Array("node = 1\n\nno\u{0}de".utf8),
                ["edge.conf:3: the line has a NUL byte; write the file as plain text in UTF-8"]
            ),
            (Array("#\n# ".utf8) + [0xe9, 0x0a], ["edge.conf:2: the line is not UTF-8; save the file as UTF-8"]),
            (Array("data = ".utf8) + [0xc0, 0x80], ["edge.conf:1: the line is not UTF-8; save the file as UTF-8"]),
            (
                Array("data = ".utf8) + [0xed, 0xa0, 0x80],
                ["edge.conf:1: the line is not UTF-8; save the file as UTF-8"]
            ),
        ] as [([UInt8], [String])])
    func notText(bytes: [UInt8], expected: [String]) { #expect(errors(bytes: bytes) == expected) }
}

@Suite struct ConfigurationExampleTests {
    private static let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "edge.conf.example")

    @Test func isWhatTheCodeSays() throws {
        #expect(try String(contentsOf: Self.path, encoding: .utf8) == Configuration.example)
    }

    /// As it stands it sets nothing; with its keys uncommented it sets every key to its default.
    @Test func holdsTheDefaults() throws {
        let text = try String(contentsOf: Self.path, encoding: .utf8)
        #expect(try load(text) == load())
        let lines = text.split(separator: "\n").filter { $0.hasPrefix("#") && !$0.hasPrefix("# ") }.map {
            $0.dropFirst()
        }
        #expect(lines.map { $0.prefix { $0 != " " } } == ConfigurationKey.all.map { Substring($0.name) })
        #expect(try load(lines.joined(separator: "\n")) == load())
        for key in ConfigurationKey.all {
            #expect(try load(flags: [(key.name, key.defaultText)]) == load(), "\(key.name)")
            #expect(!key.why.isEmpty && !key.why.contains("\n") && key.why.utf8.count <= 118, "\(key.name)")
        }
    }

    @Test func keysHaveOneNameEach() {
        #expect(Set(ConfigurationKey.all.map(\.name)).count == ConfigurationKey.all.count)
    }
}
